# What every interpreter runs, and counts.
calls = 0


def work(x, rounds):
    global calls
    calls += 1
    for _ in range(rounds):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
    return x


def counted():
    return calls

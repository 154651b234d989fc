// What every interpreter runs, and counts.
let calls = 0;

function work(x, rounds) {
    calls += 1;
    while (rounds-- > 0) x = (Math.imul(x, 1664525) + 1013904223) | 0;
    return x >>> 0;
}

function counted() {
    return calls;
}

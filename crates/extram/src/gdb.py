# For gdb, which finds this in a program in Rust by itself (`add-auto-load-safe-path` has to name the program): pools
# and Ms as a person wants to see them, in a program that runs, one that is stuck, and a core. For a program in C
# `cargo xtask install` puts it into PREFIX/share/extram.
#
#   (gdb) print POOL
#   (gdb) source PREFIX/share/extram/extram-gdb.py
#   (gdb) extram            the pools that a program in C has made
#
# The program needs its debug information (`debug = true`; `cargo xtask install --debug-info`), and nothing in it is
# called.

import gdb

BUSY, DEPTH, BROKEN, PHASE = 1, (1 << 30) - 1, 1 << 31, 7
MADE = 2
TOKEN = ~15
PHASES = ["not started, or closed", "being started", "open", "being closed",
          "closed, but not to the end", "closed, contexts being dropped"]
VALUE_BITS, CREATING_BITS = 22, 6


def plain(value):
    """What is in an atomic, a cell or a structure of one field: each is a wrapper around the next."""
    while value.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        fields = [f for f in value.type.fields() if not f.is_base_class and f.type.sizeof > 0]
        value = value[fields[0]]
    return value


def number(value):
    return int(plain(value)) & (1 << 64) - 1


class M:
    def __init__(self, m):
        self.id, self.thread = number(m["id"]), number(m["thread_id"])
        self.depth = number(m["call"]["calls"]) & DEPTH
        hold = number(m["hold"])
        bound = hold & TOKEN != 0 and hold & BUSY == 0
        stage = number(m["stage"])
        self.broken = number(m["needextram"]) & BROKEN != 0
        self.state = (None if stage not in (1, MADE) else "being made" if stage != MADE else
                      "in use" if self.depth > 0 else "bound idle" if bound else "spare")

    def __str__(self):
        text = f"M {self.id}: {self.state or 'not made'}"
        if self.state in ("in use", "bound idle", "being made"):
            text += f" by thread {self.thread}" if self.state != "bound idle" else f", thread {self.thread}"
            text += name_of(self.thread)
        if self.depth > 0:
            text += f", {self.depth} deep"
        return text + (", discarded" if self.broken else "")


def number_of(thread):
    """The system's. Before it stands the process's, which is that of its first thread, too."""
    return thread.ptid[1] or thread.ptid[0]


def name_of(thread):
    """gdb's number of the thread, if it is one of the program's."""
    for known in gdb.selected_inferior().threads():
        if thread == number_of(known):
            return f" (gdb's thread {known.num}" + (f", \"{known.name}\")" if known.name else ")")
    return ""


def all_ms(table):
    """The Ms of a table. Segments after the first are found through the enum that backs the table."""
    first, firsts, high = plain(table["first"]), number(table["firsts"]), number(table["high"])
    for index in range(min(firsts, high)):
        yield M(first[index])
    if high > firsts:
        segments = segments_of(table["back"])
        start, size, segment = firsts, firsts * 2, 1
        while segments is not None and start < high:
            memory = plain(segments[segment])
            for index in range(min(size, high - start)):
                yield M(memory[index])
            start, size, segment = start + size, size * 2, segment + 1


def segments_of(value):
    """The array in an enum's variant."""
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_ARRAY:
        return value
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        for field in value.type.fields():
            found = segments_of(value[field])
            if found is not None:
                return found
    return None


def waiting(pool):
    """The threads that wait for an M of the pool, by what is on their stacks."""
    selected, frame = gdb.selected_thread(), gdb.selected_frame() if gdb.selected_thread() else None
    found = []
    for thread in gdb.selected_inferior().threads():
        try:
            thread.switch()
            here = gdb.newest_frame()
            while here is not None and not is_wait(here, pool):
                here = here.older()
            if here is not None:
                found.append(f"thread {number_of(thread)}{name_of(number_of(thread))} waits")
        except gdb.error:
            pass
    if selected is not None:
        selected.switch()
        frame.select()
    return found


def is_wait(frame, pool):
    if not (frame.name() or "").startswith("extram_core::list::List::wait<"):
        return False
    try:
        # The list is the first thing in its pool. Where the compiler has not kept it, the thread is counted
        # to each pool.
        return int(frame.read_var("self")) == int(pool["list"].address)
    except (gdb.error, ValueError):
        return True


class Pool:
    def __init__(self, pool):
        self.pool = pool

    def to_string(self):
        word = number(self.pool["list"]["word"])
        value, waits = word & (1 << VALUE_BITS) - 1, word >> (VALUE_BITS + CREATING_BITS) & 1
        making = word >> VALUE_BITS & (1 << CREATING_BITS) - 1
        phase = PHASES[min(number(self.pool["life"]["word"]) & PHASE, 5)]
        ms = [m for m in all_ms(self.pool["table"]) if m.state is not None]
        lines = [f"pool: {phase}; {value if waits else 0} threads wait, {making} Ms are being made"]
        return "\n  ".join(lines + [str(m) for m in ms] + (waiting(self.pool) if waits else []))


class Printed:
    def __init__(self, m):
        self.m = m

    def to_string(self):
        return str(M(self.m))


class Pools(gdb.Command):
    """Show the pools that a program in C has made, their Ms and who has them."""

    def __init__(self):
        super().__init__("extram", gdb.COMMAND_STATUS)

    def invoke(self, _arg, _from_tty):
        registry = gdb.lookup_static_symbol("extram_capi::registry::REGISTRY") or \
            gdb.lookup_global_symbol("extram_capi::registry::REGISTRY")
        if registry is None:
            raise gdb.GdbError("no C face of extram, or no debug information of it")
        slots = registry.value()["slots"]
        low, high = slots.type.range()
        for index in range(low, high + 1):
            pool = plain(slots[index]["pool"])
            address = int(pool) & ~1
            if address != 0:
                print(Pool(gdb.Value(address).cast(pool.type).dereference()).to_string())


def printer(value):
    name = value.type.strip_typedefs().name or ""
    if name.startswith("extram_core::pool::Pool<"):
        return Pool(value)
    if name.startswith("extram_core::owned::Owned<"):
        return Pool(plain(value["pool"]).dereference())
    if name.startswith("extram_core::m::M<"):
        return Printed(value)
    return None


gdb.pretty_printers.append(printer)
Pools()

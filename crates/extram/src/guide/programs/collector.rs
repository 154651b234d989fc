//! A calculator whose numbers are on a heap that all of its Ms share, and a collector that stops the
//! world and walks the Ms. It stands for your runtime and your collector.

use extram::{M, MState, Pool, Runtime};
use std::cell::{Cell, RefCell};
use std::sync::{Condvar, Mutex};

/// What one M carries.
#[derive(Default)]
struct Operands {
    /// The roots: places on the heap.
    roots: RefCell<Vec<usize>>,
    /// Where the thread's stack ends that belongs to this call; 0 while it is not admitted.
    low: Cell<usize>,
}

/// What there is once.
struct Calculator {
    world: Mutex<World>,
    changed: Condvar,
    heap: Mutex<Heap>,
}

struct World {
    /// Somebody collects, or waits until the world has stopped.
    collecting: bool,
    /// The calls that have been admitted and are not at a safepoint.
    running: u32,
    collections: u32,
}

struct Heap {
    cells: Vec<i64>,
    free: Vec<usize>,
}

/// Cells of the heap.
const ROOM: usize = 256;
/// As long as that many are free nobody collects. A call uses one between two safepoints.
const LOW: usize = 64;

fn stack_pointer() -> usize {
    let here = 0u8;
    (&raw const here).addr()
}

impl Runtime for Calculator {
    type Context = Operands;
    type Error = ();
    /// The bounds of stacks are asked for.
    const STACKS: bool = true;

    fn new_context(&self) -> Result<Operands, ()> {
        Ok(Operands::default())
    }

    /// Waits until nobody collects. No M is made before this returns.
    fn admit(&self, m: &M<Self>) {
        let world = self.world.lock().unwrap();
        let mut world = self.changed.wait_while(world, |world| world.collecting).unwrap();
        world.running += 1;
        m.context().low.set(stack_pointer());
    }

    /// The same where nobody may be kept waiting.
    fn try_admit(&self, m: &M<Self>) -> bool {
        let Ok(mut world) = self.world.try_lock() else { return false };
        if world.collecting {
            return false;
        }
        world.running += 1;
        m.context().low.set(stack_pointer());
        true
    }

    fn retire(&self, m: &M<Self>) {
        let mut world = self.world.lock().unwrap();
        m.context().low.set(0);
        world.running -= 1;
        self.changed.notify_all();
    }
}

static POOL: Pool<Calculator> = Pool::new(Calculator {
    world: Mutex::new(World { collecting: false, running: 0, collections: 0 }),
    changed: Condvar::new(),
    heap: Mutex::new(Heap { cells: Vec::new(), free: Vec::new() }),
});

impl Calculator {
    /// Called by an admitted thread between two steps of its program, when all it needs is in its roots.
    fn safepoint(&self, m: &M<Self>) {
        let mut world = self.world.lock().unwrap();
        m.context().low.set(stack_pointer());
        if world.collecting {
            world.running -= 1;
            self.changed.notify_all();
            world = self.changed.wait_while(world, |world| world.collecting).unwrap();
            world.running += 1;
        } else if self.heap.lock().unwrap().free.len() < LOW {
            world.collecting = true;
            // All but the calling thread.
            world = self.changed.wait_while(world, |world| world.running > 1).unwrap();
            self.collect();
            world.collections += 1;
            world.collecting = false;
            self.changed.notify_all();
        }
        drop(world);
    }

    /// The world has stopped.
    fn collect(&self) {
        let mut heap = self.heap.lock().unwrap();
        let mut marked = vec![false; heap.cells.len()];
        for m in POOL.ms() {
            // SAFETY: its holder is outside, waits in `admit`, or is at a safepoint (the caller is, too). The
            // lock on the world, which was taken since, orders what they did. No context is dropped: this
            // pool is not trimmed, closed or given a `spare_max` while somebody collects, and nothing of it is discarded.
            let operands = unsafe { &*m.context_ptr() };
            for &root in operands.roots.borrow().iter() {
                marked[root] = true;
            }
            // A conservative collector would look at the words of the machine's stack, too: those from
            // `low` to the end. This one has nothing there, and looks at the bounds only.
            if let (MState::InUse, low @ 1.., Some(stack)) = (m.state, operands.low.get(), m.stack) {
                assert!(stack.contains(&low), "M {} of thread {}", m.id, m.thread_id);
            }
        }
        heap.free = (0..marked.len()).filter(|&cell| !marked[cell]).collect();
    }

    fn allocate(&self, m: &M<Self>, number: i64) {
        let mut heap = self.heap.lock().unwrap();
        let cell = heap.free.pop().expect("as many as there are threads are kept free");
        heap.cells[cell] = number;
        m.context().roots.borrow_mut().push(cell);
    }

    fn pop(&self, m: &M<Self>) -> i64 {
        let cell = m.context().roots.borrow_mut().pop().expect("a program with its operands");
        self.heap.lock().unwrap().cells[cell]
    }

    fn evaluate(&self, m: &M<Self>, program: &str) -> i64 {
        for word in program.split_whitespace() {
            self.safepoint(m);
            let number = match word {
                "+" => self.pop(m).wrapping_add(self.pop(m)),
                "*" => self.pop(m).wrapping_mul(self.pop(m)),
                number => number.parse().expect("a number"),
            };
            self.allocate(m, number);
        }
        self.pop(m)
    }
}

fn main() {
    let calculator = POOL.runtime();
    *calculator.heap.lock().unwrap() = Heap { cells: vec![0; ROOM], free: (0..ROOM).collect() };
    POOL.start().expect("the first M");
    let calls = |thread: i64| {
        let program = format!("{thread} 4 + 5 * 1 1 1 + + +");
        for _ in 0..200 {
            let number = POOL.callback(|m| calculator.evaluate(m, &program)).expect("let in");
            assert_eq!(number, (thread + 4) * 5 + 3);
        }
    };
    let threads: Vec<_> = (0..16).map(|thread| std::thread::spawn(move || calls(thread))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("the right numbers"));
    let collections = calculator.world.lock().unwrap().collections;
    assert!(collections > 0);
    println!("{} Ms, {collections} collections", POOL.stats().created);
    POOL.close().expect("nobody is inside");
}

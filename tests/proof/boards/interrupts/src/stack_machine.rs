//! The runtime: a stack machine. Its variables are everybody's, the operands are those of an M.

use core::cell::Cell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use extram_core::{M, Runtime};

/// What a program is made of.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    /// Pushes a number.
    Number(i32),
    /// Pushes a variable.
    Get(Variable),
    /// Pops a variable.
    Set(Variable),
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy)]
pub(crate) enum Variable {
    /// Calls from the timer.
    Ticks,
    /// The mean of the latest samples, in tenths of a degree.
    Celsius,
    /// The same on the other scale.
    Fahrenheit,
}

pub(crate) struct StackMachine {
    variables: [AtomicI32; 3],
}

const DEPTH: usize = 16;

/// The operands of an M, which is one caller's: a handler that interrupts a program has another M.
pub(crate) struct Operands {
    cells: [Cell<i32>; DEPTH],
    used: Cell<usize>,
}

impl Operands {
    fn push(&self, number: i32) {
        let place = self.used.get();
        self.cells[place].set(number);
        self.used.set(place + 1);
    }

    fn pop(&self) -> i32 {
        let place = self.used.get() - 1;
        self.used.set(place);
        self.cells[place].get()
    }
}

impl StackMachine {
    pub(crate) const fn new() -> Self {
        StackMachine { variables: [const { AtomicI32::new(0) }; 3] }
    }

    pub(crate) fn variable(&self, variable: Variable) -> i32 {
        self.variables[variable as usize].load(Relaxed)
    }

    /// Runs a program on the M's operands.
    pub(crate) fn run(&self, m: &M<StackMachine>, program: &[Op]) {
        let operands = m.context();
        let two = |f: fn(i32, i32) -> i32| {
            let right = operands.pop();
            let left = operands.pop();
            operands.push(f(left, right));
        };
        for op in program {
            match *op {
                Op::Number(number) => operands.push(number),
                Op::Get(variable) => operands.push(self.variable(variable)),
                Op::Set(variable) => self.variables[variable as usize].store(operands.pop(), Relaxed),
                Op::Add => two(i32::wrapping_add),
                Op::Subtract => two(i32::wrapping_sub),
                Op::Multiply => two(i32::wrapping_mul),
                Op::Divide => two(|left, right| left.checked_div(right).unwrap_or(0)),
            }
        }
    }
}

impl Runtime for StackMachine {
    type Context = Operands;
    type Error = Infallible;

    fn new_context(&self) -> Result<Operands, Infallible> {
        Ok(Operands { cells: [const { Cell::new(0) }; DEPTH], used: Cell::new(0) })
    }
}

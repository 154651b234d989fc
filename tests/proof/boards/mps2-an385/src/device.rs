//! The machine, as a device crate has it: interrupts and timers.

use cortex_m::interrupt::InterruptNumber;

/// How many priorities there are: 2 to the power of that.
pub const NVIC_PRIO_BITS: u8 = 3;

/// The interrupts that the programs use: two timers, and two that come from nobody but software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(u16)]
pub enum Interrupt {
    TIMER0 = 8,
    TIMER1 = 9,
    AUDIO = 14,
    TOUCH = 15,
}

// SAFETY: numbers of the machine's, each another one.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

unsafe extern "C" {
    fn TIMER0();
    fn TIMER1();
    fn AUDIO();
    fn TOUCH();
}

/// A place in the table of handlers.
#[allow(missing_debug_implementations)]
#[repr(C)]
pub union Vector {
    handler: unsafe extern "C" fn(),
    none: usize,
}

const NONE: Vector = Vector { none: 0 };

/// The handlers, for `cortex-m-rt`.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [Vector; 16] = {
    let mut table = [NONE; 16];
    table[Interrupt::TIMER0 as usize] = Vector { handler: TIMER0 };
    table[Interrupt::TIMER1 as usize] = Vector { handler: TIMER1 };
    table[Interrupt::AUDIO as usize] = Vector { handler: AUDIO };
    table[Interrupt::TOUCH as usize] = Vector { handler: TOUCH };
    table
};

/// A timer that interrupts: control, value (counting down), reload, pending.
#[derive(Debug)]
pub struct Timer(usize);

/// The one of `Interrupt::TIMER0`.
pub const TIMER_0: Timer = Timer(0x4000_0000);
/// The one of `Interrupt::TIMER1`.
pub const TIMER_1: Timer = Timer(0x4000_1000);

impl Timer {
    fn write(&self, register: usize, value: u32) {
        // SAFETY: the programs use the timers in this way alone, and each store is one of its own.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(self.0).add(register).write_volatile(value) };
    }

    /// Interrupts every `ticks` of the processor's clock.
    pub fn every(&self, ticks: u32) {
        self.write(2, ticks);
        self.write(1, ticks);
        self.write(0, 0b1001);
    }

    /// What the handler does first: the interrupt is not pending any more.
    pub fn heard(&self) {
        self.write(3, 1);
    }

    /// No more of them.
    pub fn stop(&self) {
        self.write(0, 0);
        self.heard();
    }
}

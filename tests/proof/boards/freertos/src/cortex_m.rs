//! mps2-an385: one Cortex-M3, whose first timer is the device.

use cortex_m_rt::{entry, exception};

pub(crate) const NAME: &str = "mps2-an385, one Cortex-M3";

const TIMER: *mut u32 = 0x4000_0000 as *mut u32;
const TIMER_IRQ: i16 = 8;
const NVIC_ENABLE: *mut u32 = 0xe000_e100 as *mut u32;
const NVIC_PRIORITY: *mut u8 = 0xe000_e400 as *mut u8;
/// Below `configMAX_SYSCALL_INTERRUPT_PRIORITY`, so the handler may call the kernel; above the tick's.
const PRIORITY: u8 = 0x80;

#[entry]
fn main() -> ! {
    crate::start()
}

/// The device interrupts 3,700 times a second from now on, which is no multiple of the ticks.
pub(crate) fn start_device() {
    // SAFETY: the timer's registers and the interrupt's, as the board has them; nobody else uses them.
    unsafe {
        NVIC_PRIORITY.add(TIMER_IRQ as usize).write_volatile(PRIORITY);
        NVIC_ENABLE.write_volatile(1 << TIMER_IRQ);
        TIMER.add(2).write_volatile(25_000_000 / 3_700);
        TIMER.write_volatile(0b1001);
    }
}

#[exception]
unsafe fn DefaultHandler(irq: i16) {
    assert!(irq == TIMER_IRQ, "an interrupt that nobody expects");
    // SAFETY: as above.
    unsafe { TIMER.add(3).write_volatile(1) };
    crate::device::interrupted();
}

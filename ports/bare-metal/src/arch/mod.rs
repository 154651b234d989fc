//! What depends on the processor alone. One module per architecture, with the same names where
//! they have the same things.
//!
//! | | thread pointer | resting in `relax` | starting a core | telling a handler |
//! |---|---|---|---|---|
//! | AArch64 | `TPIDR_EL1` | WFE; woken by SEV and by the timer's event stream | PSCI `CPU_ON` | the kernel's own way |
//! | RISC-V | `tp` | a spin with `pause` | SBI HSM `hart_start`, or the boot protocol | the kernel's own way |
//! | Cortex-M | a word per core that the kernel's context switch stores | WFE; woken by SEV and by any interrupt | the chip's own way | `IPSR` |

/// AArch64.
#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(cortex_m)]
pub mod cortex_m;
/// RISC-V.
#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
pub mod riscv;

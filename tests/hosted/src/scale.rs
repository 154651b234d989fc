//! Sizes.

/// `count`, times the factor in `EXTRAM_SCALE` (1 if it is not set), but 1 at least: an emulator
/// sets 0.01.
pub fn scaled(count: u32) -> u32 {
    let factor =
        std::env::var("EXTRAM_SCALE").map_or(1.0, |factor| factor.parse().expect("EXTRAM_SCALE is a number"));
    ((f64::from(count) * factor) as u32).max(1)
}

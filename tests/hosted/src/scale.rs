//! Sizes.

/// `count`, times the factor in `EXTRAM_SCALE` (1 if it is not set), but 1 at least. It is
/// less than 1 under an emulator or a sanitizer, where each thread costs many times as much.
pub fn scaled(count: u32) -> u32 {
    let factor =
        std::env::var("EXTRAM_SCALE").map_or(1.0, |factor| factor.parse().expect("EXTRAM_SCALE is a number"));
    ((f64::from(count) * factor) as u32).max(1)
}

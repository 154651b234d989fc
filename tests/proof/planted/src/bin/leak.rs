//! Loses memory: LeakSanitizer and valgrind have to see it.
//! A bug on purpose.

fn main() {
    let kept = std::hint::black_box(Box::leak(Box::new([1u64; 32]))).as_ptr().addr();
    // Overwrites whatever the stack and the registers still hold of the address.
    let sum: u64 = std::hint::black_box([0u64; 512]).iter().sum();
    println!("leaked at an address that ends in {:x}", (kept as u64 + sum) & 0xf);
}

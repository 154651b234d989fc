use extram_hosted::{Witness, started};

fn main() {
    let pool = started(extram::Pool::new(Witness::default()));
    let entered = pool.enter().unwrap();
    std::thread::spawn(move || drop(entered));
}

use extram_hosted::{Ticket, Witness, started};

fn main() {
    let pool = started(extram::Pool::new(Witness::default()));
    // What an M carries cannot outlast the call.
    let _ticket: &Ticket = pool.callback(|m| m.context()).unwrap();
}

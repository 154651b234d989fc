//! Serves the figures of a pool to Prometheus: `cargo run -p extram --example metrics`, then
//! `curl http://127.0.0.1:9184/metrics`.

use extram::{Pool, Runtime};
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};

struct Nothing;

impl Runtime for Nothing {
    type Context = ();
    type Error = ();

    fn new_context(&self) -> std::result::Result<(), ()> {
        Ok(())
    }
}

static POOL: Pool<Nothing> = Pool::new(Nothing);

/// Answers one request, and reads it to its end first.
fn answer(mut stream: TcpStream) -> Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, mut body) = ("200 OK", String::new());
    let status = if request.starts_with("GET /metrics ") {
        POOL.stats().metrics("example", &mut body).expect("a string takes it all");
        status
    } else {
        "404 Not Found"
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

fn main() -> Result<()> {
    POOL.start().expect("starts");
    let listener = TcpListener::bind("127.0.0.1:9184")?;
    println!("http://{}/metrics", listener.local_addr()?);
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(answer) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn get(path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("its address")).expect("there");
        write!(client, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").expect("sent");
        answer(listener.accept().expect("somebody came").0).expect("answered");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("an answer");
        text
    }

    #[test]
    fn the_figures_are_served() {
        POOL.start().expect("starts");
        let inside = POOL.enter().expect("in");
        let text = get("/metrics");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        let body = text.split_once("\r\n\r\n").expect("a body").1;
        assert!(text.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
        assert!(body.contains("\nextram_ms{pool=\"example\",state=\"in_use\"} 1\n"), "{body}");
        assert!(get("/").starts_with("HTTP/1.1 404 "));
        drop(inside);
    }
}

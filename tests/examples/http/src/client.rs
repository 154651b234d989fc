//! The load: connections that are kept, all opened before the first request, and each answer
//! checked.

use crate::lua::expected;
use extram_herd::Crew;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A server that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough for a client thread.
const STACK: usize = 128 << 10;

/// A connection, and how its requests ended.
struct Client {
    stream: Mutex<BufReader<TcpStream>>,
    ended: OnceLock<Result<(), String>>,
}

/// Makes `requests` requests over `connections` connections. The time from the first request to
/// the last answer.
pub(crate) fn load(port: u16, connections: u32, requests: u32) -> Result<Duration, String> {
    let clients: io::Result<Vec<Client>> = (0..connections).map(|_| Client::connect(port)).collect();
    let clients = clients.map_err(|error| format!("cannot connect to the server: {error}"))?;
    let clients = Arc::new(clients);
    let crew = Crew::line_up(connections, STACK, {
        let clients = clients.clone();
        move |index| {
            let client = &clients[index as usize];
            // Each index has one thread.
            let _ = client.ended.set(client.requests((index..requests).step_by(connections as usize)));
        }
    })
    .map_err(|error| error.to_string())?;
    let begun = Instant::now();
    crew.go();
    crew.join();
    let took = begun.elapsed();
    // The connections are still open here: the busiest moment has all of them.
    for client in clients.iter() {
        client.ended.get().cloned().unwrap_or_else(|| Err("a client vanished".into()))?;
    }
    Ok(took)
}

impl Client {
    fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: Mutex::new(BufReader::new(stream)), ended: OnceLock::new() })
    }

    fn requests(&self, numbers: impl Iterator<Item = u32>) -> Result<(), String> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            let answer = request(&mut stream, number).map_err(|error| format!("/{number}: {error}"))?;
            if answer != expected(number) {
                return Err(format!("/{number} was answered with {answer:?}"));
            }
        }
        Ok(())
    }
}

fn request(stream: &mut BufReader<TcpStream>, number: u32) -> io::Result<String> {
    write!(stream.get_mut(), "GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; body_length(&head)?];
    stream.read_exact(&mut body)?;
    String::from_utf8(body).map_err(io::Error::other)
}

/// How many bytes follow the head of a good answer.
fn body_length(head: &[u8]) -> io::Result<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    answer.parse(head).map_err(io::Error::other)?;
    if answer.code != Some(200) {
        return Err(io::Error::other(format!("the server answered with status {:?}", answer.code)));
    }
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    length.ok_or_else(|| io::Error::other("an answer without a length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body_length(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n").unwrap(), 12);
        for (head, said) in [
            (&b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"[..], "500"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "length"),
            (b"SMTP\r\n\r\n", "version"),
        ] {
            let error = body_length(head).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 20]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong").unwrap();
            // Until the client has seen enough.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = load(port, 1, 1).unwrap_err();
        assert!(error.contains("wrong"), "{error}");
        server.join().unwrap();
    }
}

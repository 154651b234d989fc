//! For the tests of what downloads: a made-up release, and an HTTP server for this machine that has
//! it and can be told to behave badly.

use super::download::sha256;
use super::sums::{self, Sums};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use toolchain::command::which;

pub(super) const TARGET: &str = "x86_64-unknown-freebsd";
pub(super) const RELEASE: &str = "0.0-FAKE";

/// A directory with a release that can be served, and another one to fetch it into.
pub(super) struct Mirror {
    dir: tempfile::TempDir,
    /// The sums of what was published first.
    pub(super) sums: Sums,
    /// The larger set.
    pub(super) base: Vec<u8>,
}

impl Mirror {
    pub(super) fn new() -> Option<Mirror> {
        if which("curl").is_none() {
            println!("skipped: no curl");
            return None;
        }
        let base: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut mirror = Mirror { dir: tempfile::tempdir().unwrap(), sums: sums::tests::none(), base };
        std::fs::create_dir(mirror.served()).unwrap();
        std::fs::create_dir(mirror.fetched()).unwrap();
        mirror.publish("base.txz", &mirror.base);
        mirror.publish("kernel.txz", b"kernel");
        for set in ["base.txz", "kernel.txz"] {
            let sum = sha256(&mirror.served().join(set)).unwrap();
            mirror.sums.pin(TARGET, RELEASE, &format!("{set}={sum}")).unwrap();
        }
        Some(mirror)
    }

    fn served(&self) -> PathBuf {
        self.dir.path().join("served")
    }

    pub(super) fn fetched(&self) -> PathBuf {
        self.dir.path().join("into")
    }

    pub(super) fn publish(&self, set: &str, contents: &[u8]) {
        std::fs::write(self.served().join(set), contents).unwrap();
    }

    pub(super) fn gone(&self, set: &str) {
        std::fs::remove_file(self.served().join(set)).unwrap();
    }

    /// Runs `client` with the address of a server; its result, and each file that was asked for,
    /// with the first byte of it. Who asks only for the size is not counted.
    pub(super) fn serve<T>(&self, manner: Manner, client: impl FnOnce(&str) -> T) -> (T, Vec<String>) {
        let server = Server::start(self.served(), manner);
        let result = client(&format!("http://{}", server.address));
        (result, server.stop())
    }
}

/// How a server answers.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// A part where a part is asked for.
    Ranges,
    /// The whole file, whatever is asked for.
    Whole,
    /// A part where a part is asked for, and so many bytes of it at most: then the connection ends.
    Cut(usize),
    /// The same without parts.
    WholeCut(usize),
}

struct Server {
    address: SocketAddr,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(dir: PathBuf, manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for connection in listener.incoming() {
                match answer(connection.unwrap(), &dir, manner) {
                    Some(request) => asked.extend(request),
                    None => break,
                }
            }
            asked
        });
        Server { address, thread }
    }

    fn stop(self) -> Vec<String> {
        // A connection without a request.
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.join().unwrap()
    }
}

/// Answers one request, and says what was asked for if it is there; `None` if there is no request.
fn answer(mut connection: TcpStream, dir: &Path, manner: Manner) -> Option<Option<String>> {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next()?;
    let mut words = request.split(' ');
    let (verb, file) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('/'));
    let mut from = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = Some(range.trim_end_matches('-').parse::<usize>().unwrap());
        }
    }
    let asked = format!("{file} from {}", from.unwrap_or(0));
    let from = from.filter(|_| matches!(manner, Manner::Ranges | Manner::Cut(_)));
    let whole = std::fs::read(dir.join(file)).ok();
    let (head, body) = match (from, &whole) {
        (_, None) => ("404 Not Found".to_owned(), [].as_slice()),
        (Some(from), Some(whole)) if from >= whole.len() => {
            ("416 Range Not Satisfiable".to_owned(), [].as_slice())
        }
        (Some(from), Some(whole)) => {
            let range = format!("Content-Range: bytes {from}-{}/{}", whole.len() - 1, whole.len());
            (format!("206 Partial Content\r\n{range}"), &whole[from..])
        }
        (None, Some(whole)) => ("200 OK".to_owned(), whole.as_slice()),
    };
    let most = match manner {
        _ if verb == "HEAD" => 0,
        Manner::Cut(most) | Manner::WholeCut(most) => most,
        Manner::Ranges | Manner::Whole => usize::MAX,
    };
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that goes away is not this server's concern.
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(&body[..body.len().min(most)]);
    Some((verb == "GET" && whole.is_some()).then_some(asked))
}

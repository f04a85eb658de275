//! A receiver of webhooks: a small HTTP server that remembers what it got and answers as the test wants.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::harness::{eventually, patient};

/// A request that a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns the event.
    pub(crate) fn event(&self) -> Value {
        self.json()["Event"].clone()
    }

    /// Returns the owner of the event, and its version.
    pub(crate) fn place(&self) -> (String, u64) {
        let event = self.event();
        (event["Owner"].as_str().unwrap().to_owned(), event["Version"].as_u64().unwrap())
    }

    /// Returns a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Returns the answer to a request, from the status to the body; without one, the connection is closed.
type Behaviour = Arc<dyn Fn(&Got) -> Option<String> + Send + Sync>;

/// The answer as Tencent Chat expects it.
pub(crate) fn ok() -> String {
    answer("200 OK", "", r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#)
}

/// Returns an answer with these header lines, each of which ends with a line break.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

struct Shared {
    got: Mutex<Vec<Got>>,
    behaviour: Mutex<Behaviour>,
    is_ended: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
    streams: Mutex<Vec<TcpStream>>,
}

/// A running receiver, which closes all connections when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Receiver {
    /// Starts a receiver that takes everything.
    pub(crate) fn start() -> Receiver {
        Receiver::that(|_| Some(ok()))
    }

    /// Starts a receiver with this behaviour.
    pub(crate) fn that(behaviour: impl Fn(&Got) -> Option<String> + Send + Sync + 'static) -> Receiver {
        Receiver::listen(TcpListener::bind("127.0.0.1:0").unwrap(), None, behaviour)
    }

    /// Starts a receiver with TLS that takes everything, with a certificate for localhost and its key in these files.
    pub(crate) fn with_tls(certificate: &Path, key: &Path) -> Receiver {
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        Receiver::listen(TcpListener::bind("127.0.0.1:0").unwrap(), Some(config.into()), |_| Some(ok()))
    }

    /// Starts a receiver at an address that an earlier one had.
    pub(crate) fn at(
        address: SocketAddr,
        behaviour: impl Fn(&Got) -> Option<String> + Send + Sync + 'static,
    ) -> Receiver {
        let mut listener = None;
        eventually("the port is free again", || {
            listener = TcpListener::bind(address).ok();
            listener.is_some()
        });
        Receiver::listen(listener.unwrap(), None, behaviour)
    }

    fn listen(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        behaviour: impl Fn(&Got) -> Option<String> + Send + Sync + 'static,
    ) -> Receiver {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            got: Mutex::default(),
            behaviour: Mutex::new(Arc::new(behaviour)),
            is_ended: AtomicBool::new(false),
            tls,
            streams: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        let accept = move || {
            for stream in listener.incoming() {
                if of_thread.is_ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                patient(&stream).unwrap();
                of_thread.streams.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || shared.accept(stream));
            }
        };
        Receiver { address, shared, thread: Some(thread::spawn(accept)) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Behaves differently from now on.
    pub(crate) fn behave(&self, behaviour: impl Fn(&Got) -> Option<String> + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Returns everything that was received so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Waits until so many requests were received, and returns all.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Got> {
        eventually("the receiver gets messages", || self.shared.got.lock().unwrap().len() >= count);
        self.got()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_ended.store(true, Ordering::Release);
        // The thread that accepts connections notices the end with the next one.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
        for stream in self.shared.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(&self, stream: TcpStream) {
        let Ok(socket) = stream.try_clone() else { return };
        match &self.tls {
            None => self.serve(stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                self.serve(StreamOwned::new(session, stream));
            }
        }
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }

    /// Serves a connection until it is closed.
    fn serve(&self, stream: impl Read + Write) {
        let mut reader = BufReader::new(stream);
        while let Some(got) = read(&mut reader) {
            let behaviour = Arc::clone(&self.behaviour.lock().unwrap());
            if self.is_ended.load(Ordering::Acquire) {
                return;
            }
            self.got.lock().unwrap().push(got.clone());
            let answer = behaviour(&got);
            let writer = reader.get_mut();
            let mut send = |answer: String| writer.write_all(answer.as_bytes()).and_then(|()| writer.flush());
            if answer.is_none_or(|answer| send(answer).is_err()) {
                return;
            }
        }
    }
}

/// Reads a request.
pub(super) fn read(reader: &mut impl BufRead) -> Option<Got> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let target = line.split(' ').nth(1)?.to_owned();
    assert!(line.starts_with("POST "), "{line}");
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Got { target, headers, body: String::from_utf8(body).ok()? })
}

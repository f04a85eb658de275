//! An HTTP/2 client for tests, which controls every frame it sends and reads only on request.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::harness::patient;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One connection.
pub(super) struct Http2 {
    stream: StreamOwned<ClientConnection, TcpStream>,
    next: u32,
}

/// The frames that the server sent, summarized.
#[derive(Default)]
pub(super) struct Answers {
    /// The bodies of streams that have ended.
    pub(super) bodies: HashMap<u32, Vec<u8>>,
    ended: HashSet<u32>,
    /// Streams that were refused.
    pub(super) refused: usize,
    /// The maximum number of concurrent streams that the server announces.
    pub(super) streams: Option<u32>,
}

impl Http2 {
    /// Connects, and announces this flow-control window for each stream.
    pub(super) fn connect(address: SocketAddr, ca: &str, window: u32) -> std::io::Result<Http2> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(config.into(), name).map_err(std::io::Error::other)?;
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        patient(&socket)?;
        let mut client = Http2 { stream: StreamOwned::new(session, socket), next: 1 };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        client.frame(SETTINGS, 0, 0, &settings)?;
        // Enlarge the window of the connection as a whole.
        client.frame(WINDOW_UPDATE, 0, 0, &0x3fff_0000u32.to_be_bytes())?;
        Ok(client)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame)
    }

    /// Sends a request with an optional body, and returns its stream.
    pub(super) fn request(&mut self, method: &str, path: &str, body: Option<&str>) -> std::io::Result<u32> {
        let stream = self.begin(method, path, body.is_none())?;
        if let Some(body) = body {
            self.frame(DATA, END_STREAM, stream, body.as_bytes())?;
        }
        Ok(stream)
    }

    /// Sends a part of a request's body, in frames of the default maximum size.
    pub(super) fn part(&mut self, stream: u32, part: &[u8], is_last: bool) -> std::io::Result<()> {
        let mut frames = part.chunks(16 * 1024).peekable();
        while let Some(frame) = frames.next() {
            let ends = is_last && frames.peek().is_none();
            self.frame(DATA, if ends { END_STREAM } else { 0 }, stream, frame)?;
        }
        Ok(())
    }

    /// Sends the head of a request, and returns its stream. `is_all` means that no body follows.
    pub(super) fn begin(&mut self, method: &str, path: &str, is_all: bool) -> std::io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        let mut block = Vec::new();
        for (name, value) in
            [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost")]
        {
            // This is a literal header field without indexing and without Huffman coding.
            block.push(0);
            for text in [name, value] {
                push_length(&mut block, text.len());
                block.extend(text.as_bytes());
            }
        }
        let flags = END_HEADERS | if is_all { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, &block)?;
        Ok(stream)
    }

    /// Enlarges the window of the connection by one byte, as a slow reader would.
    pub(super) fn poke(&mut self) -> std::io::Result<()> {
        self.frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())
    }

    /// Reads until `count` streams have ended.
    pub(super) fn answers(&mut self, count: usize) -> std::io::Result<Answers> {
        let mut answers = Answers::default();
        while answers.ended.len() < count {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload)?;
            match kind {
                DATA => {
                    answers.bodies.entry(stream).or_default().extend(&payload);
                    if length > 0 {
                        let bytes = u32::try_from(length).unwrap().to_be_bytes();
                        self.frame(WINDOW_UPDATE, 0, 0, &bytes)?;
                        self.frame(WINDOW_UPDATE, 0, stream, &bytes)?;
                    }
                }
                SETTINGS if flags & ACK == 0 => {
                    for setting in payload.chunks(6) {
                        if setting[..2] == [0, 3] {
                            answers.streams =
                                Some(u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]));
                        }
                    }
                    self.frame(SETTINGS, ACK, 0, &[])?;
                }
                RESET => {
                    answers.refused += 1;
                    answers.ended.insert(stream);
                }
                GOAWAY => return Err(std::io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
            if (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
                answers.ended.insert(stream);
            }
        }
        Ok(answers)
    }
}

/// Appends a length in HPACK's integer encoding with a prefix of seven bits.
fn push_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

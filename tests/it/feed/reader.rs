//! A client of the feed.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::harness::{ADMIN, APP, Answer, Client, KEY, patient, query};

/// Returns the signed target of the feed, with these parameters in addition.
pub(crate) fn target(parameters: &str) -> String {
    format!("/feed?{}&{parameters}", query(APP, ADMIN, KEY))
}

/// Makes one request for the feed as an object.
#[track_caller]
pub(crate) fn poll(address: SocketAddr, parameters: &str) -> Value {
    let answer = get(address, &target(parameters), "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Makes a request and reads its answer to the end of the connection.
pub(crate) fn get(address: SocketAddr, target: &str, headers: &str) -> std::io::Result<Answer> {
    let mut reader = Reader::open(address, target, headers)?;
    let mut body = String::new();
    reader.chunks.read_to_string(&mut body)?;
    let headers = reader.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Answer { status: reader.status, headers, body })
}

/// One server-sent event, or what stands in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    /// The kind; `None` for the block at the beginning.
    pub(crate) kind: Option<String>,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) is_comment: bool,
}

impl Notice {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {:?}", self.data))
    }
}

/// An open answer of the feed.
pub(crate) struct Reader {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    chunks: BufReader<Chunks>,
}

impl Reader {
    /// Opens a stream of server-sent events.
    pub(crate) fn stream(address: SocketAddr, parameters: &str) -> Reader {
        Reader::stream_after(address, parameters, None).unwrap()
    }

    /// Opens a stream that resumes after an event.
    pub(crate) fn stream_after(
        address: SocketAddr,
        parameters: &str,
        last: Option<&str>,
    ) -> std::io::Result<Reader> {
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let reader =
            Reader::open(address, &target(parameters), &format!("Accept: text/event-stream\r\n{last}"))?;
        assert_eq!(reader.status, 200);
        Ok(reader)
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) fn open(address: SocketAddr, target: &str, headers: &str) -> std::io::Result<Reader> {
        let mut socket = TcpStream::connect(address)?;
        patient(&socket)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes())?;
        let mut socket = BufReader::new(socket);
        let mut line = String::new();
        socket.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        let chunks = BufReader::new(Chunks { socket, left: 0, is_chunked, has_ended: false });
        Ok(Reader { status, headers, chunks })
    }

    /// Reads the next notice; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Notice>> {
        let (mut kind, mut data, mut id, mut retry, mut is_comment) =
            (None, String::new(), None, None, false);
        loop {
            let mut line = String::new();
            if self.chunks.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("event", value)) => kind = Some(value.to_owned()),
                Some(("data", value)) => value.clone_into(&mut data),
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("retry", value)) => retry = Some(value.to_owned()),
                None if line == ":" => is_comment = true,
                None if line.is_empty() => return Ok(Some(Notice { kind, data, id, retry, is_comment })),
                _ => panic!("{line:?} is not a line of an event stream"),
            }
        }
    }

    /// Reads the next event, skipping the block at the beginning and comments.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Notice {
        // A comment every 15 seconds would put off the deadline of the socket forever.
        for _ in 0..8 {
            let notice = self.next().unwrap().expect("the stream should not end");
            if notice.kind.is_some() {
                return notice;
            }
        }
        panic!("an event should come within two minutes")
    }
}

/// The content of a body in chunks, or until the end of the connection.
struct Chunks {
    socket: BufReader<TcpStream>,
    left: usize,
    is_chunked: bool,
    has_ended: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.is_chunked {
            return self.socket.read(buffer);
        }
        let mut line = String::new();
        if self.left == 0 && !self.has_ended {
            self.socket.read_line(&mut line)?;
            self.left = usize::from_str_radix(line.trim_end(), 16)
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
            self.has_ended = self.left == 0;
        }
        if self.has_ended {
            return Ok(0);
        }
        let most = self.left.min(buffer.len());
        let read = self.socket.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        if self.left == 0 {
            line.clear();
            self.socket.read_line(&mut line)?;
        }
        Ok(read)
    }
}

/// Returns the text of a call of this owner that adds a conversation to a group.
pub(crate) fn group(client: &mut Client, owner: &str, name: &str, peer: &str) {
    use crate::bodies::{create_contact_group, user};
    client.does(&create_contact_group(owner, name).with(user(peer)));
}

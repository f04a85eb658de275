//! The body of a call: read within its bounds, and read away when the call was refused.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::{
    api::Error,
    wire::{Fault, Node, Path},
};

/// How much of a refused call's body is read away before the answer, and for how long: a small one that is
/// there at once lets the connection be used again. A client that was not let in cannot make the server wait.
pub(super) const DRAINED: (usize, Duration) = (64 * 1024, Duration::from_millis(100));
/// The same for HTTP/2, where common clients take an answer for an error that comes before they have sent
/// all.
pub(super) const DRAINED_HTTP2: (usize, Duration) = (8 << 20, Duration::from_secs(1));

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// [`Error::Http`] when it is larger, breaks off or is badly framed.
pub(super) async fn read(body: &mut Incoming, limit: usize) -> Result<Bytes, Error> {
    let too_large = || Error::Http(format!("the body is larger than {limit} bytes"));
    // A length that is announced needs no waiting for the bytes.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    // Nearly every body comes in one piece, which is then used where it lies.
    let mut whole = Bytes::new();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::Http("the body breaks off or is badly framed".to_owned()))?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len().max(pieces.len()) + piece.len() > limit {
            return Err(too_large());
        }
        if whole.is_empty() && pieces.is_empty() {
            whole = piece;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&piece);
        }
    }
    Ok(if pieces.is_empty() { whole } else { pieces.into() })
}

/// Reads a body away, within a number of bytes and a time; whether it came to its end.
pub(super) async fn drain(body: &mut Incoming, (bytes, within): (usize, Duration)) -> bool {
    let all = async {
        let mut left = bytes;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(within, all).await.unwrap_or(false)
}

/// Reads the JSON of a body, which a call that needs nothing sends as `{}`.
///
/// # Errors
/// [`Error::Json`].
pub(super) fn read_json(body: &[u8]) -> Result<Node<'_>, Error> {
    match body {
        [] => Err(Error::Json("it is empty; a call that needs nothing sends {}".to_owned())),
        body => Node::parse(body).map_err(|error| Error::Json(error.to_string())),
    }
}

/// Every field whose name ends in `_Account` holds a string or a list of strings (60015): the
/// gateway translates them all before any command looks at one.
///
/// # Errors
/// A [`Fault`] that names the first one that does not.
pub(super) fn check_accounts(node: &Node<'_>, path: Path<'_>) -> Result<(), Fault> {
    match node {
        Node::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_accounts(item, Path::Element(&path, index))?;
            }
        }
        Node::Object(members) => {
            for (name, node) in members {
                let path = Path::Member(&path, name);
                match node {
                    node if !name.ends_with("_Account") => check_accounts(node, path)?,
                    Node::Text(_) | Node::Null => {}
                    Node::Array(items) => {
                        for (index, item) in items.iter().enumerate() {
                            if !matches!(item, Node::Text(_)) {
                                return Err(Fault::unfit(Path::Element(&path, index), "a string", item));
                            }
                        }
                    }
                    other => return Err(Fault::unfit(path, "a string", other)),
                }
            }
        }
        _ => {}
    }
    Ok(())
}

//! Reads the body of a call within its limits, or discards it when the call was refused.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::{
    encoding,
    head::Body,
    memory::{Bounds, Reservation, SMALL, Whole},
    small_bodies::{SmallBodies, SmallBody},
};
use crate::{
    api::Error,
    wire::{Fault, Node, Path, unreadable},
};

/// Reads a body within its limits, and decompresses it if necessary.
///
/// # Errors
/// Returns [`Error::Http`] when the body is too large, incomplete, badly framed or badly encoded, and
/// [`Error::ManyBodies`] when there is no memory for it.
pub(super) async fn read(body: &mut Body<'_>, bounds: Bounds<'_>) -> Result<Whole, Error> {
    let limit = bounds.bytes;
    let too_large = || Error::Http(format!("the body is larger than {limit} bytes"));
    // An announced length is checked before the bytes arrive.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut gathered = Gathered::default();
    let mut unreserved = Unreserved { bytes: SMALL, _place: None };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|broken| Error::Http(broken.to_string()))?;
        let Ok(piece) = frame.into_data() else { continue };
        if gathered.len() + piece.len() > limit {
            return Err(too_large());
        }
        if gathered.len() > 0 {
            gathered.grow(&piece, body, bounds, unreserved.bytes)?;
            continue;
        }
        if let Some(connection) = bounds.small
            && !is_whole(body)
        {
            unreserved = Unreserved::of(connection);
        }
        if piece.len() > unreserved.bytes {
            bounds.reserve(&mut gathered.reserved, piece.len())?;
        }
        gathered.first = piece;
    }
    encoding::decoded(gathered.into_whole(), bounds)
}

/// Returns whether a body has arrived completely. The announced length is checked first, because looking at the stream
/// takes a lock.
fn is_whole(body: &Body<'_>) -> bool {
    body.size_hint().exact() == Some(0) || body.is_end_stream()
}

/// The size up to which a body reserves no memory.
struct Unreserved<'a> {
    bytes: usize,
    _place: Option<SmallBody<'a>>,
}

impl<'a> Unreserved<'a> {
    /// Returns the size for a body that is still arriving. A client may keep many of those waiting on one connection,
    /// so only a few of them are exempt.
    fn of(connection: &'a SmallBodies) -> Unreserved<'a> {
        let place = connection.take();
        Unreserved { bytes: if place.is_some() { SMALL } else { 0 }, _place: place }
    }
}

/// The part of a body that has arrived. Memory is reserved before it is allocated.
#[derive(Default)]
struct Gathered {
    /// The first piece. Nearly every body arrives in one piece, which is then used without a copy.
    first: Bytes,
    /// All pieces, when there are several.
    pieces: Vec<u8>,
    reserved: Reservation,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len().max(self.pieces.len())
    }

    /// Appends a piece.
    #[cold]
    fn grow(
        &mut self,
        piece: &[u8],
        body: &Body<'_>,
        bounds: Bounds<'_>,
        unreserved: usize,
    ) -> Result<(), Error> {
        let needed = self.len() + piece.len();
        if needed > self.pieces.capacity() {
            // Don't allocate more than can still arrive.
            let rest = body.size_hint().upper().and_then(|rest| usize::try_from(rest).ok());
            let most = needed.saturating_add(rest.unwrap_or(usize::MAX)).min(bounds.bytes);
            let room = self.pieces.capacity().saturating_mul(2).min(most).max(needed);
            // Spare capacity must not make a small body count as a large one.
            let room = if needed <= SMALL { room.min(SMALL) } else { room };
            if room > unreserved {
                bounds.reserve(&mut self.reserved, room)?;
            }
            self.pieces.reserve_exact(room - self.pieces.len());
        }
        self.pieces.extend_from_slice(&std::mem::take(&mut self.first));
        self.pieces.extend_from_slice(piece);
        Ok(())
    }

    fn into_whole(self) -> Whole {
        let bytes = if self.pieces.is_empty() { self.first } else { self.pieces.into() };
        Whole::new(bytes, self.reserved)
    }
}

/// Reads and discards a body, within a number of bytes and a time. Returns whether the end was reached.
pub async fn drain(body: &mut Body<'_>, (bytes, within): (usize, Duration)) -> bool {
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

/// Parses the JSON of a body. A call without fields has to send `{}`.
///
/// # Errors
/// Returns [`Error::Json`] when the body is empty or not valid JSON.
pub(super) fn read_json(body: &[u8]) -> Result<Node<'_>, Error> {
    match encoding::without_mark(body) {
        [] => Err(Error::Json("it is empty; a call without fields must send {}".to_owned())),
        text => Node::parse(text).map_err(|error| {
            Error::Json(encoding::foreign(text).map_or_else(|| unreadable(text, &error), str::to_owned))
        }),
    }
}

/// Checks that every field whose name ends in `_Account` holds a string or a list of strings (60015). The original
/// service checks this before the command reads its fields.
///
/// # Errors
/// Returns a [`Fault`] that names the first field that does not.
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

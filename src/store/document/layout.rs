//! Divides an organizer into chunks, and determines which of them a change has to write.

use std::sync::Arc;

use super::{
    SLOTS,
    encoding::{Head, Listed, decode_chunk, decode_head, encode_chunk, encode_head},
};
use crate::domain::{ChangeNumber, Conversation, Delta, Organizer, Record};

/// An organizer together with the layout of its stored form.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Stored {
    pub(in crate::store) organizer: Arc<Organizer>,
    chunks: Vec<Chunk>,
}

/// A sealed chunk, without the content of its records.
#[derive(Clone, Debug)]
struct Chunk {
    id: u32,
    /// The change number of the record in each slot; 0 if the record has changed since or was removed.
    slots: Vec<ChangeNumber>,
    /// The highest change number in the slots when the chunk was sealed or read. It is used to find the chunk that
    /// contains a record.
    last: ChangeNumber,
}

/// The deltas do not lead from the stored organizer to the new one, which is a defect in a rule.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct LayoutDefect;

/// One chunk to write (`Some`) or to delete (`None`).
pub(in crate::store) type ChunkEdit = (u32, Option<Vec<u8>>);

impl Stored {
    /// Reads an organizer from its rows: the head, and the other chunks in any order.
    ///
    /// # Errors
    /// Returns a description of the damage.
    pub(in crate::store) fn decode(rows: &[(u32, Vec<u8>)]) -> Result<Stored, String> {
        let row = |id: u32| {
            let found = rows.iter().find(|(row, _)| *row == id);
            found.map(|(_, bytes)| &bytes[..]).ok_or_else(|| format!("chunk {id} is missing"))
        };
        if rows.is_empty() {
            return Ok(Stored::default());
        }
        let head = decode_head(row(0)?).map_err(|fault| format!("head: {fault}"))?;
        let mut records = Vec::new();
        let mut chunks = Vec::with_capacity(head.chunks.len());
        for Listed { id, living } in head.chunks {
            let sealed = decode_chunk(row(id)?).map_err(|fault| format!("chunk {id}: {fault}"))?;
            let slots = (sealed.into_iter().enumerate())
                .map(|(slot, record)| {
                    if living >> slot & 1 == 0 {
                        return 0;
                    }
                    let number = record.number;
                    records.push(record);
                    number
                })
                .collect();
            chunks.push(Chunk::of(id, slots));
        }
        records.extend(head.tail);
        let organizer = Organizer::from_parts(head.counters, head.groups, records)
            .map_err(|unsound| unsound.to_string())?;
        Ok(Stored { organizer: Arc::new(organizer), chunks })
    }

    /// Replaces the organizer with `next`, to which `deltas` lead, and returns the rows to write.
    ///
    /// # Errors
    /// Returns [`LayoutDefect`] if the deltas do not lead to `next`. Nothing may be written then.
    pub(in crate::store) fn advance(
        &mut self,
        next: Arc<Organizer>,
        deltas: &[Delta],
    ) -> Result<Vec<ChunkEdit>, LayoutDefect> {
        let mut edits: Vec<ChunkEdit> = Vec::new();
        let mut dropped = Vec::new();
        let mut free_id = self.chunks.iter().map(|chunk| chunk.id).max().unwrap_or(0) + 1;
        // Changed and removed records leave their slots. A renumbering reuses old numbers, so it discards all chunks.
        if deltas.iter().any(|delta| matches!(delta, Delta::Renumbered { .. })) {
            dropped.extend(self.chunks.drain(..).map(|chunk| chunk.id));
        }
        for (before, _) in deltas.iter().filter_map(Delta::record) {
            if let Some(before) = before {
                self.clear_slot(before.number);
            }
        }
        let records = next.records();
        let numbers = self.chunks.iter().flat_map(|chunk| &chunk.slots).filter(|number| **number != 0);
        let mut sealed = 0;
        for number in numbers {
            if records.get(sealed).is_none_or(|record| record.number != *number) {
                return Err(LayoutDefect);
            }
            sealed += 1;
        }
        // If the tail is too long, seal its oldest records.
        let mut seal = |chunks: &mut Vec<Chunk>, records: &[Arc<Record>], place: usize| {
            edits.push((free_id, Some(encode_chunk(records))));
            let slots = records.iter().map(|record| record.number).collect();
            chunks.insert(place, Chunk::of(free_id, slots));
            free_id += 1;
        };
        while records.len() - sealed > SLOTS {
            let end = self.chunks.len();
            seal(&mut self.chunks, &records[sealed..sealed + SLOTS], end);
            sealed += SLOTS;
        }
        // Drop empty chunks, and merge neighbours that fit into one.
        self.chunks.retain(|chunk| {
            let keep = chunk.living() > 0;
            if !keep {
                dropped.push(chunk.id);
            }
            keep
        });
        let (mut place, mut first) = (0, 0);
        while let [chunk, after, ..] = &self.chunks[place..] {
            let (living, both) = (chunk.living(), chunk.living() + after.living());
            if both <= SLOTS {
                dropped.extend(self.chunks.drain(place..place + 2).map(|chunk| chunk.id));
                seal(&mut self.chunks, &records[first..first + both], place);
            } else {
                first += living;
                place += 1;
            }
        }
        // If a chunk was sealed and merged again in the same call, its row is not written at all.
        for id in dropped {
            match edits.iter().position(|(row, bytes)| *row == id && bytes.is_some()) {
                Some(unwritten) => drop(edits.remove(unwritten)),
                None => edits.push((id, None)),
            }
        }
        let head = Head {
            counters: *next.counters(),
            groups: next.groups().to_vec(),
            chunks: self.chunks.iter().map(Chunk::listed).collect(),
            tail: records[sealed..].to_vec(),
        };
        edits.push((0, Some(encode_head(&head))));
        self.organizer = next;
        Ok(edits)
    }

    /// Clears the slot of the record with this number, if it is in a chunk and not in the tail.
    fn clear_slot(&mut self, number: ChangeNumber) {
        // Numbers ascend within each chunk and from chunk to chunk.
        let place = self.chunks.partition_point(|chunk| chunk.last < number);
        if let Some(chunk) = self.chunks.get_mut(place)
            && let Some(slot) = chunk.slots.iter_mut().find(|slot| **slot == number)
        {
            *slot = 0;
        }
    }

    /// Estimates the size in memory, in bytes.
    pub(in crate::store) fn weight(&self) -> usize {
        let records = self.organizer.records().iter().map(|record| {
            let peer = match &record.conversation {
                Conversation::User(user) => user.as_str().len(),
                Conversation::ChatGroup(group) => group.as_str().len(),
            };
            let custom = record.custom.as_ref().map_or(0, |custom| custom.as_str().len());
            190 + peer + custom + 4 * record.groups.len()
        });
        400 + 96 * self.organizer.groups().len() + records.sum::<usize>() + 96 * self.chunks.len()
    }
}

impl Chunk {
    fn of(id: u32, slots: Vec<ChangeNumber>) -> Chunk {
        let last = slots.iter().copied().max().unwrap_or(0);
        Chunk { id, slots, last }
    }

    fn living(&self) -> usize {
        self.slots.iter().filter(|slot| **slot != 0).count()
    }

    fn listed(&self) -> Listed {
        let living = (self.slots.iter().enumerate())
            .filter(|(_, number)| **number != 0)
            .fold(0, |bits, (slot, _)| bits | 1 << slot);
        Listed { id: self.id, living }
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;

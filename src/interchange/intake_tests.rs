//! Tests lines that arrive in pieces: the result does not depend on where the text is cut.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    clock::Clock,
    domain::{DirectoryMode, Limits, Owner, Terms, UserId},
    store::{self, RecentQuery},
    testing::block_on,
};

fn terms(purpose: Purpose) -> ImportTerms {
    ImportTerms::of_tools(purpose, Limits::OPEN, Clock::system())
}

/// Imports or checks text that arrives in these pieces.
fn fed<'a>(terms: ImportTerms, pieces: impl IntoIterator<Item = &'a [u8]>) -> ImportReport {
    let store = store::in_memory();
    block_on(async {
        let mut intake = Intake::new(&*store, terms);
        for piece in pieces {
            intake.feed(piece).await.unwrap();
        }
        intake.end().await.unwrap()
    })
}

/// Returns the numbers of the bad lines.
fn faulty(outcome: &ImportReport) -> Vec<u64> {
    outcome.faults.iter().map(|(number, _)| *number).collect()
}

fn account(name: &str) -> String {
    format!(r#"{{"Kind":"account","SdkAppId":5,"UserID":"{name}"}}"#)
}

#[test]
fn what_is_to_be_applied_ends_at_the_first_bad_line() {
    let text = format!("\n{}\n\r\nbroken\n{}\nworse\n", account("a"), account("b"));
    let applied = fed(terms(Purpose::Apply), [text.as_bytes()]);
    assert_eq!((applied.lines, applied.changed, faulty(&applied)), (2, 1, vec![4]));
    let checked = fed(terms(Purpose::Check), [text.as_bytes()]);
    assert_eq!((checked.lines, checked.changed, faulty(&checked)), (4, 0, vec![4, 6]));
}

#[test]
fn a_line_may_be_as_long_as_the_longest_and_no_longer() {
    let mut longest = account("a").into_bytes();
    longest.resize(LONGEST_LINE, b' ');
    let after = format!("\n{}", account("b"));
    let taken = fed(terms(Purpose::Apply), [&*longest, after.as_bytes()]);
    assert_eq!((taken.changed, faulty(&taken)), (2, vec![]));
    let refused = fed(terms(Purpose::Check), [&*longest, b" ", after.as_bytes(), b"\nbroken"]);
    assert_eq!((refused.lines, faulty(&refused)), (2, vec![1, 3]));
    // The line feed may come with the piece that makes the line too long, or not at all.
    assert_eq!(faulty(&fed(terms(Purpose::Check), [&*longest, b" \n"])), [1]);
    assert_eq!(faulty(&fed(terms(Purpose::Check), [&*longest, b" "])), [1]);
}

/// A reader that is interrupted before every byte.
struct Interrupted<'a>(&'a [u8], bool);

impl Read for Interrupted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        match self.1 {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => self.0.read(&mut buffer[..1]),
        }
    }
}

#[test]
fn reading_continues_after_an_interruption() {
    let text = account("a");
    let store = store::in_memory();
    let outcome =
        block_on(take_in(&*store, terms(Purpose::Apply), Interrupted(text.as_bytes(), false))).unwrap();
    assert_eq!((outcome.lines, outcome.changed), (1, 1));
}

proptest! {
    #[test]
    fn lines_may_be_cut_anywhere(
        lines in vec(prop_oneof![
            Just(String::new()), Just("\r".to_owned()), Just("broken".to_owned()), "[a-c]".prop_map(|name| account(&name)),
            Just("\u{feff}".to_owned()), "[a-c]".prop_map(|name| format!("\u{feff}{}\r", account(&name))),
        ], 0..8),
        last in any::<bool>(),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        terms in prop_oneof![Just(terms(Purpose::Apply)), Just(terms(Purpose::Check))],
    ) {
        let text = lines.join("\n") + if last { "\n" } else { "" };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
        prop_assert_eq!(fed(terms.clone(), pieces), fed(terms, [text.as_bytes()]));
    }
}

#[test]
fn what_an_import_moves_is_seen_when_it_is_written() {
    let clock = Clock::system();
    clock.freeze(Some(1_800_000_000));
    let owner = Owner { app: AppId::new(5).unwrap(), user: UserId::parse("ann").unwrap() };
    let user = r#"{"Kind":"sessions","SdkAppId":5,"From_Account":"ann","SessionItem":[{"Type":1,"To_Account":"bob","MsgTime":7},{"Type":1,"To_Account":"eve","PinTime":8}]}"#;
    let group = r#"{"Kind":"chat_group","SdkAppId":5,"GroupId":"club","Type":"Public","Name":"n","Owner_Account":"ann","LastMsgTime":9}"#;
    for line in [user, group] {
        let store = store::in_memory();
        let found = block_on(async {
            let terms = ImportTerms::of_tools(Purpose::Apply, Limits::OPEN, clock.clone());
            let mut intake = Intake::new(&*store, terms);
            intake.feed(line.as_bytes()).await.unwrap();
            intake.feed(b"\n").await.unwrap();
            // A client pulls while the rest of the line has not been applied.
            clock.advance(10);
            let query = || {
                let terms =
                    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, clock.now()) };
                RecentQuery { listed: 100, oldest: 1, terms }
            };
            let settled = store.recent(&owner, query()).await.unwrap().settled;
            let report = intake.end().await.unwrap();
            assert_eq!((report.changed, &report.faults[..]), (1, &[][..]));
            let found = store.recent(&owner, query()).await.unwrap().sessions;
            assert!(
                !found.is_empty() && found.iter().all(|found| found.seen >= settled),
                "{settled} {found:?}"
            );
            found.len()
        });
        assert_eq!(found, if line == user { 2 } else { 1 });
    }
}

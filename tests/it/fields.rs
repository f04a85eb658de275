//! Compares the described fields of commands and replies with the running server and the golden replies.

use std::{collections::BTreeSet, fs, path::Path};

use confold::{
    api::Command,
    wire::{Field, Shape},
};
use serde_json::{Map, Value, json};

use crate::harness::{Client, Server};

/// Returns a value that every command has to refuse for this field.
fn wrong(field: &Field) -> Value {
    match field.shape {
        // Any text will do for these.
        _ if ["Content", "TopicId"].contains(&field.name) => json!(5),
        _ if field.name == "ToMembers_Account" => json!(vec!["x"; 501]),
        // Accounts must be strings, which is checked before the command runs.
        Shape::List(_) if field.name.ends_with("_Account") => json!(["x".repeat(600)]),
        Shape::Text | Shape::Word(_) => json!("x".repeat(600)),
        Shape::Number | Shape::Choice(_) => json!("x"),
        Shape::Any | Shape::List(_) | Shape::Object(_) => json!(5),
    }
}

/// Returns valid values for this shape. There are several where a number decides which other fields are read.
fn right(shape: &Shape) -> Vec<Value> {
    match shape {
        Shape::Any => vec![json!({})],
        Shape::Text => vec![json!("user0")],
        Shape::Word(words) => vec![json!(words[0])],
        Shape::Number => vec![json!(1)],
        Shape::Choice(choices) => choices.iter().map(|(value, _)| json!(value)).collect(),
        Shape::List(of) => right(of).into_iter().map(|value| json!([value])).collect(),
        Shape::Object(fields) => objects(fields, &[]),
    }
}

/// Returns objects with these fields, some of which are given: one without the optional fields, which may exclude
/// another field, and one with all of them.
fn objects(fields: &[Field], given: &[(&str, Value)]) -> Vec<Value> {
    let mut all = objects_with(fields, given, false);
    all.extend(objects_with(fields, given, true));
    all
}

fn objects_with(fields: &[Field], given: &[(&str, Value)], optional: bool) -> Vec<Value> {
    let mut all = vec![Map::new()];
    for field in fields {
        let values = match given.iter().find(|(name, _)| *name == field.name) {
            Some((_, value)) => vec![value.clone()],
            None if !field.required && !optional => continue,
            None if field.name == "Tag" => vec![json!("Tag_Profile_IM_Nick")],
            None => right(&field.shape),
        };
        all = (all.iter())
            .flat_map(|object| {
                values.iter().map(|value| {
                    let mut object = object.clone();
                    object.insert(field.name.to_owned(), value.clone());
                    object
                })
            })
            .collect();
    }
    all.into_iter().map(Value::Object).collect()
}

/// Returns bodies in which one field, at any depth, is wrong, each with the name of the field.
fn spoilt(fields: &[Field]) -> Vec<(&'static str, Value)> {
    fn inside(shape: &Shape) -> Vec<(&'static str, Value)> {
        match shape {
            Shape::List(of) => inside(of).into_iter().map(|(name, value)| (name, json!([value]))).collect(),
            Shape::Object(fields) => spoilt(fields),
            Shape::Any | Shape::Text | Shape::Word(_) | Shape::Number | Shape::Choice(_) => Vec::new(),
        }
    }
    let mut all = Vec::new();
    for field in fields {
        let below = inside(&field.shape);
        for (name, value) in below.into_iter().chain([(field.name, wrong(field))]) {
            all.extend(objects(fields, &[(field.name, value)]).into_iter().map(|body| (name, body)));
        }
    }
    all
}

/// Returns whether a reply explains what is wrong with the field of this name.
fn speaks_of(client: &mut Client, command: Command, body: &Value, name: &str) -> bool {
    fn infos(reply: &Value, name: &str) -> bool {
        match reply {
            Value::Array(items) => items.iter().any(|item| infos(item, name)),
            Value::Object(members) => members.iter().any(|(key, value)| match value {
                Value::String(text) if key.ends_with("Info") => text.contains(name),
                value => infos(value, name),
            }),
            _ => false,
        }
    }
    let answer = client.call(&command.full_name(), &body.to_string());
    let hint = answer.headers.get("x-confold-hint");
    infos(&answer.json(), name) || hint.is_some_and(|hint| hint.contains(name))
}

#[test]
fn every_described_field_is_read_or_documented_as_ignored() {
    let server = Server::dev(&[
        "--directory",
        "open",
        "--messages",
        "accept",
        "--extensions",
        "recent",
        "--rate-limit",
        "off",
    ]);
    let mut client = server.client();
    let (mut read, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for command in Command::ALL {
        for (name, body) in spoilt(command.description().request) {
            if read.contains(name) {
                continue;
            }
            match speaks_of(&mut client, *command, &body, name) {
                true => drop(read.insert(name)),
                false => drop(silent.insert(name)),
            }
        }
    }
    let mut unread = BTreeSet::new();
    for command in Command::ALL {
        collect_unread(command.description().request, &mut unread);
    }
    let silent: BTreeSet<&str> = silent.difference(&read).copied().collect();
    assert_eq!(silent, unread, "the fields that are not read should be those described as ignored");
    assert!(read.len() > 40, "{read:?}");
}

fn collect_unread(fields: &[Field], names: &mut BTreeSet<&'static str>) {
    for field in fields {
        if field.about == "Ignored." {
            names.insert(field.name);
        }
        let mut shape = &field.shape;
        while let Shape::List(of) = shape {
            shape = of;
        }
        if let Shape::Object(fields) = shape {
            collect_unread(fields, names);
        }
    }
}

/// The fields that every successful reply has in addition to the described ones.
const BASE: [&str; 4] = ["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"];

/// Checks that a reply has no undescribed member, and records its members.
fn compare(found: &Value, shape: &Shape, place: &str, seen: &mut BTreeSet<String>) {
    match (found, shape) {
        (Value::Array(items), Shape::List(of)) => {
            for item in items {
                compare(item, of, place, seen);
            }
        }
        (Value::Object(members), Shape::Object(fields)) => {
            for (name, value) in members {
                let below = format!("{place}.{name}");
                match fields.iter().find(|field| field.name == name) {
                    Some(field) => compare(value, &field.shape, &below, seen),
                    None => assert!(
                        BASE.contains(&name.as_str()) && place.matches('.').count() == 0,
                        "{below} is in a golden reply but not in api/describe"
                    ),
                }
                seen.insert(below);
            }
        }
        _ => {}
    }
}

/// Returns the paths of all fields of an object.
fn places(fields: &[Field], place: &str) -> Vec<String> {
    let below = |field: &Field| {
        let place = format!("{place}.{}", field.name);
        let mut shape = &field.shape;
        while let Shape::List(of) = shape {
            shape = of;
        }
        let inside = if let Shape::Object(fields) = shape { places(fields, &place) } else { Vec::new() };
        [vec![place], inside].concat()
    };
    fields.iter().flat_map(below).collect()
}

#[test]
fn golden_replies_have_the_fields_that_are_described_and_no_others() {
    let mut seen = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    for story in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let story = fs::read_to_string(story).unwrap();
        for call in story.split("> ").skip(1) {
            let (name, reply) = (call.lines().next().unwrap(), call.split("\n< ").nth(1));
            let command = Command::ALL.iter().find(|command| command.full_name() == name);
            let (Some(command), Some(reply)) = (command, reply.and_then(|reply| reply.lines().next())) else {
                continue;
            };
            // A story contains placeholders for current times.
            let reply: Value = serde_json::from_str(&reply.replace(":NOW", ":0")).unwrap();
            if reply["ErrorCode"] == 0 {
                let described = Shape::Object(command.description().reply);
                compare(&reply, &described, command.name(), &mut seen);
            }
        }
    }
    // No call can bring an owner so near to the last change number that a later call renumbers them.
    seen.insert("history.Event.Changes.Time".to_owned());
    for command in Command::ALL {
        for place in places(command.description().reply, command.name()) {
            assert!(seen.contains(&place), "{place} is described but appears in no golden reply");
        }
    }
}

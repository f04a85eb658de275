//! `/openapi.json`: the description of all requests and replies, generated from the tables in the code.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{
    api::{Command, DRY_RUN, OWNER, STATE},
    routes::{Admits, Property, ROUTES, Reply, Route, Takes},
    wire::{Field, Shape, code::Code},
};

/// Returns the description as JSON text, in version 3.1 of the format.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        serde_json::to_string_pretty(&document()).expect("a JSON value can be written") + "\n"
    });
    &TEXT
}

fn document() -> Value {
    let mut paths = Map::new();
    for command in Command::ALL {
        paths.insert(command.path(), json!({ "post": operation(*command) }));
    }
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = described(route);
    }
    let codes: Map<String, Value> = Code::MEANINGS
        .iter()
        .map(|(code, meaning)| (code.number().to_string(), json!(meaning.trim())))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "confold",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "Conversation groups and marks, wire-compatible with Tencent Chat's v4/recentcontact. \
                Every answer on /v4/ has status 200; the outcome is in ErrorCode.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "parameters": parameters(),
            "schemas": {
                "Failure": {
                    "type": "object",
                    "required": ["ActionStatus", "ErrorCode", "ErrorInfo"],
                    "properties": {
                        "ActionStatus": { "const": "FAIL" },
                        "ErrorCode": { "type": "integer", "minimum": 1 },
                        "ErrorInfo": { "type": "string" },
                        "ErrorDisplay": { "type": "string" },
                    },
                },
            },
        },
        "x-error-codes": codes,
    })
}

/// The header with the state that the user must have.
const IF_MATCH: &str = "If-Match";
/// The header with the key of a call that may be repeated.
const KEY: &str = "Idempotency-Key";

fn parameters() -> Value {
    let parameter = |name: &str, required: bool, schema: Value, about: &str| json!({ "name": name, "in": "query", "required": required, "schema": schema, "description": about });
    json!({
        "sdkappid": parameter("sdkappid", true, json!({ "type": "integer", "minimum": 1 }), "The SDKAppID of the app."),
        "identifier": parameter("identifier", true, json!({ "type": "string" }), "An administrator of the app."),
        "usersig": parameter("usersig", true, json!({ "type": "string" }), "The UserSig of the administrator."),
        "random": parameter("random", false, json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }), "Any number. Other values are ignored, except in the strict mode, which refuses them."),
        "contenttype": parameter("contenttype", false, json!({ "const": "json" }), "The format; always json."),
        DRY_RUN: {
            "name": DRY_RUN, "in": "header", "required": false, "schema": { "type": "string", "pattern": "^1$" },
            "description": "Answer as if the call had been made, and keep nothing. The answer repeats the header.",
        },
        STATE: {
            "name": STATE, "in": "header", "required": false, "schema": { "type": "string", "pattern": "^1$" },
            "description": "Begin the reply with State: the state of the user, for conditions and for confold/changes.",
        },
        IF_MATCH: {
            "name": IF_MATCH, "in": "header", "required": false, "schema": { "type": "string" },
            "description": "The State that the user must have, like IfInState.",
        },
        KEY: {
            "name": KEY, "in": "header", "required": false, "schema": { "type": "string" },
            "description": "A key for this call. If it is repeated with the same key and body within 24 hours, it has no further effect and gets the same reply.",
        },
    })
}

fn signed() -> Vec<Value> {
    let names = ["sdkappid", "identifier", "usersig", "random", "contenttype"];
    names.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect()
}

fn operation(command: Command) -> Value {
    let described = command.description();
    let example: Value = serde_json::from_str(described.example).expect("an example is JSON");
    let mut success = object(described.reply);
    let base = json!({
        "ActionStatus": { "const": "OK" },
        "ErrorCode": { "const": 0 },
        "ErrorInfo": { "const": "" },
        "ErrorDisplay": { "type": "string" },
    });
    for (name, schema) in base.as_object().into_iter().flatten() {
        success["properties"][name] = schema.clone();
        if name != "ErrorDisplay"
            && let Some(required) = success["required"].as_array_mut()
        {
            required.push(json!(name));
        }
    }
    let mut parameters = signed();
    let has_owner = described.request.iter().any(|field| field.name == OWNER.name);
    let headers = [
        (DRY_RUN, true),
        (STATE, has_owner),
        (IF_MATCH, command.is_conditional()),
        (KEY, command.is_conditional()),
    ];
    for (name, _) in headers.into_iter().filter(|(_, is_offered)| *is_offered) {
        parameters.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
    }
    json!({
        "operationId": command.name(),
        "summary": described.summary,
        "tags": [command.family().name()],
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": object(described.request), "example": example } },
        },
        "responses": { "200": {
            "description": "The outcome, in ErrorCode.",
            "content": { "application/json": {
                "schema": { "anyOf": [success, { "$ref": "#/components/schemas/Failure" }] },
            } },
        } },
    })
}

fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text | Shape::Word(_) => json!({ "type": "string" }),
        Shape::Number | Shape::Choice(_) => json!({ "type": "integer" }),
        Shape::List(of) => json!({ "type": "array", "items": schema(of) }),
        Shape::Object(fields) => object(fields),
    }
}

fn object(fields: &[Field]) -> Value {
    let property = |field: &Field| {
        let mut schema = schema(&field.shape);
        schema["description"] = json!(field.about());
        (field.name.to_owned(), schema)
    };
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": fields.iter().map(property).collect::<Map<_, _>>(),
    })
}

/// Describes one route.
fn described(route: &Route) -> Value {
    let mut operation = json!({ "operationId": route.id });
    if !route.summary.is_empty() {
        operation["summary"] = json!(route.summary);
    }
    let mut parameters: Vec<Value> = Vec::new();
    match route.admits {
        Admits::Everybody | Admits::Programs => {}
        Admits::Administrators => {
            operation["tags"] = json!(["interchange"]);
            parameters = signed();
        }
        Admits::Readers => {
            operation["tags"] = json!(["feed"]);
            operation["security"] = json!([{}, { "token": [] }]);
            // With a token, the request is not signed.
            parameters = (self::parameters().as_object().into_iter().flatten())
                .map(|(_, parameter)| {
                    let mut parameter = parameter.clone();
                    parameter["required"] = json!(false);
                    parameter
                })
                .collect();
        }
        Admits::Senders => {
            operation["tags"] = json!(["callback"]);
            parameters = segments(route.path);
        }
        Admits::Testers => {
            operation["tags"] = json!(["_dev"]);
            operation["security"] = json!([{}, { "token": [] }]);
        }
    }
    parameters.extend(route.parameters.iter().map(|parameter| {
        let mut described = json!({ "name": parameter.name, "in": "query", "schema": written(parameter) });
        if !parameter.about.is_empty() {
            described["description"] = json!(parameter.about);
        }
        described
    }));
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Lines => {
            let lines =
                json!({ "type": "string", "description": "Lines in the format of docs/interchange.md." });
            operation["requestBody"] = json!({ "content": { "text/plain": { "schema": lines } } });
        }
        Takes::AnyObject => {
            operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": { "type": "object" } } } });
        }
        Takes::Object(required, fields, schemas) => {
            let required: Vec<&str> = fields[..required].iter().map(|field| field.name).collect();
            let properties: Map<_, _> = (fields.iter().zip(schemas))
                .map(|(field, schema)| {
                    (field.name.to_owned(), written(&Property { name: field.name, schema, about: "" }))
                })
                .collect();
            let schema = json!({
                "type": "object", "required": required, "properties": properties, "additionalProperties": false,
            });
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
    }
    let answers = route.answers.iter().map(|(status, reply)| (status.to_string(), answer(*reply)));
    operation["responses"] = Value::Object(answers.collect());
    operation
}

/// Describes the segments of a path that stand for any text.
fn segments(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let described =
        |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.map(described).collect()
}

/// Parses a schema from the table of routes.
fn written(property: &Property) -> Value {
    serde_json::from_str(property.schema).expect("a schema in the table is JSON")
}

fn answer(reply: Reply) -> Value {
    let failure = json!({ "$ref": "#/components/schemas/Failure" });
    let (about, kind, schema) = match reply {
        Reply::Feed => {
            let object = json!({ "type": "object", "required": ["Events", "Cursor", "HasMore"] });
            return json!({
                "description": "The events, as described in docs/feed.md.",
                "content": {
                    "application/json": { "schema": object },
                    "text/event-stream": { "schema": { "type": "string" } },
                },
            });
        }
        Reply::Text(about) => (about, "text/plain", json!({ "type": "string" })),
        Reply::Object => ("Done.", "application/json", json!({ "type": "object" })),
        Reply::Report => {
            let required = ["Lines", "Changed", "Faults", "MoreFaults", "Effect"];
            ("Done.", "application/json", json!({ "type": "object", "required": required }))
        }
        Reply::BadLines => (
            "Some lines are bad: Faults lists them, and ErrorInfo describes the first.",
            "application/json",
            failure,
        ),
        Reply::Lines => ("The lines.", "application/x-ndjson", json!({ "type": "string" })),
        Reply::Refused => ("Refused, for the reason in ErrorInfo.", "application/json", failure),
    };
    json!({ "description": about, "content": { kind: { "schema": schema } } })
}

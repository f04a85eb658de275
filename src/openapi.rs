//! `/openapi.json`: what this server speaks, made from the tables of the code.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{
    api::Command,
    wire::{Field, Shape, code::Code},
};

/// The description, version 3.1 of the format, as JSON text.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string_pretty(&document()).expect("JSON of ours") + "\n");
    &TEXT
}

fn document() -> Value {
    let mut paths = Map::new();
    for command in Command::ALL {
        paths.insert(command.path(), json!({ "post": operation(*command) }));
    }
    for (path, item) in others() {
        paths.insert(path.to_owned(), item);
    }
    let codes: Map<String, Value> =
        Code::MEANINGS.iter().map(|(code, meaning)| (code.number().to_string(), json!(meaning))).collect();
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

fn parameters() -> Value {
    let parameter = |name: &str, required: bool, schema: Value, about: &str| json!({ "name": name, "in": "query", "required": required, "schema": schema, "description": about });
    json!({
        "sdkappid": parameter("sdkappid", true, json!({ "type": "integer", "minimum": 1 }), "The app."),
        "identifier": parameter("identifier", true, json!({ "type": "string" }), "An administrator of the app."),
        "usersig": parameter("usersig", true, json!({ "type": "string" }), "His signature."),
        "random": parameter("random", false, json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }), "Any number. Anything else is ignored, but in the strict mode refused."),
        "contenttype": parameter("contenttype", false, json!({ "const": "json" }), "json."),
    })
}

fn signed() -> Value {
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
    json!({
        "operationId": command.name(),
        "summary": described.summary,
        "tags": [command.family().name()],
        "parameters": signed(),
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

/// What is not a command.
fn others() -> Vec<(&'static str, Value)> {
    let mut all = probes();
    all.extend(interchange());
    all.extend(controls());
    all
}

fn answer(about: &str, kind: &str, schema: impl Into<Value>) -> Value {
    json!({ "description": about, "content": { kind: { "schema": schema.into() } } })
}

fn json_answer(schema: impl Into<Value>) -> Value {
    answer("Done.", "application/json", schema)
}

fn text_answer(about: &str) -> Value {
    answer(about, "text/plain", json!({ "type": "string" }))
}

fn refused() -> Value {
    answer("Why not, in ErrorInfo.", "application/json", json!({ "$ref": "#/components/schemas/Failure" }))
}

fn any() -> Value {
    json!({ "type": "object" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
}

/// Lines of the file format as a body.
fn lines() -> Value {
    json!({ "content": { "text/plain": { "schema": { "type": "string", "description": "Lines of docs/interchange.md." } } } })
}

/// What became of lines.
fn taken() -> Value {
    json!({ "type": "object", "required": ["Lines", "Changed", "Faults", "MoreFaults", "Effect"] })
}

/// Why lines were refused: all of that, and what every refusal has.
fn lines_refused() -> Value {
    answer(
        "Which lines are bad, in Faults; the first in ErrorInfo, too.",
        "application/json",
        json!({ "$ref": "#/components/schemas/Failure" }),
    )
}

/// Whether fields that lines cannot have are ignored.
fn lenient() -> Value {
    json!({
        "name": "lenient", "in": "query", "schema": { "enum": ["0", "1"] },
        "description": "1: fields that a line cannot have are ignored, unless they look like one that it can have.",
    })
}

/// An object with these fields and no others.
fn closed(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn probes() -> Vec<(&'static str, Value)> {
    let get = |id: &str, responses: Value| json!({ "get": { "operationId": id, "responses": responses } });
    vec![
        ("/healthz", get("alive", json!({ "200": text_answer("The process answers.") }))),
        (
            "/readyz",
            get(
                "ready",
                json!({ "200": text_answer("The store answers."), "503": text_answer("It does not.") }),
            ),
        ),
        (
            "/metrics",
            get(
                "metrics",
                json!({ "200": text_answer("For Prometheus."), "404": text_answer("They are off.") }),
            ),
        ),
        ("/openapi.json", get("openapi", json!({ "200": json_answer(any()) }))),
    ]
}

fn interchange() -> Vec<(&'static str, Value)> {
    let import = |id: &str, summary: &str| {
        let mut parameters = signed();
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(lenient());
        }
        json!({ "post": {
            "operationId": id, "summary": summary, "tags": ["interchange"], "parameters": parameters,
            "requestBody": lines(),
            "responses": { "200": json_answer(taken()), "400": lines_refused(), "403": refused(), "503": refused() },
        } })
    };
    let export = json!({ "post": {
        "operationId": "export", "summary": "Everything of the app as lines", "tags": ["interchange"],
        "parameters": signed(),
        "responses": {
            "200": answer("The lines.", "application/x-ndjson", json!({ "type": "string" })),
            "403": refused(),
        },
    } });
    vec![
        ("/interchange/export", export),
        ("/interchange/check", import("check", "Say what lines would be refused for, or change")),
        ("/interchange/import", import("import", "Apply lines")),
    ]
}

/// An operation below `/_dev/`.
fn control(id: &str, summary: &str, body: Option<Value>) -> Value {
    let mut operation = json!({
        "operationId": id, "summary": summary, "tags": ["_dev"], "security": [{}, { "token": [] }],
        "responses": {
            "200": json_answer(any()), "400": refused(), "403": refused(), "404": refused(), "503": refused(),
        },
    });
    if let Some(schema) = body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn controls() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let named = || {
        let name = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
        closed(&["Name"], &json!({ "Name": name }))
    };
    let scope = closed(
        &[],
        &json!({
            "SdkAppId": { "type": "integer", "minimum": 1, "maximum": u32::MAX }, "From_Account": text(),
            "Controls": { "type": "boolean" },
        }),
    );
    let clock = closed(
        &[],
        &json!({
            "Freeze": { "anyOf": [{ "type": "boolean" }, { "type": "integer", "minimum": 1 }] },
            "Advance": number(), "Resume": { "type": "boolean" },
        }),
    );
    let rule = closed(
        &[],
        &json!({
            "Command": text(), "From_Account": text(), "Probability": { "type": "number", "minimum": 0, "maximum": 1 },
            "Times": number(), "Code": { "type": "integer", "minimum": 10000, "maximum": 99999 }, "Info": text(),
            "LatencyMs": number(), "Drop": { "type": "boolean" },
            "LoseAnswer": { "type": "boolean" },
        }),
    );
    let mut seed = control("seed", "Apply lines of the file format", None);
    seed["requestBody"] = lines();
    seed["responses"]["200"] = json_answer(taken());
    seed["responses"]["400"] = lines_refused();
    seed["responses"]["413"] = refused();
    seed["parameters"] = json!([lenient()]);
    let mut remove = control("removeSnapshots", "Remove all snapshots, or one", None);
    remove["parameters"] = json!([{ "name": "Name", "in": "query", "schema": text() }]);
    let mut remove_faults = control("removeFaults", "Remove all fault rules, or one", None);
    remove_faults["parameters"] = json!([{ "name": "Id", "in": "query", "schema": number() }]);
    let mut journal = control("journal", "The last calls", None);
    let parameter = |name: &str, schema: Value| json!({ "name": name, "in": "query", "schema": schema });
    journal["parameters"] =
        json!([parameter("Limit", number()), parameter("Code", number()), parameter("Command", text())]);
    vec![
        (
            "/_dev/reset",
            json!({ "post": control("reset", "Forget everything, an app or an owner", Some(scope)) }),
        ),
        ("/_dev/seed", json!({ "post": seed })),
        (
            "/_dev/snapshot",
            json!({ "post": control("snapshot", "Keep the state under a name", Some(named())) }),
        ),
        ("/_dev/restore", json!({ "post": control("restore", "Bring a state back", Some(named())) })),
        (
            "/_dev/snapshots",
            json!({ "get": control("snapshots", "The names there are", None), "delete": remove }),
        ),
        (
            "/_dev/clock",
            json!({
                "get": control("clock", "The clock", None),
                "post": control("setClock", "Stop the clock, move it on, let it run", Some(clock)),
            }),
        ),
        (
            "/_dev/faults",
            json!({
                "get": control("faults", "The fault rules", None),
                "post": control("addFault", "Add a fault rule", Some(rule)),
                "delete": remove_faults,
            }),
        ),
        (
            "/_dev/journal",
            json!({ "get": journal, "delete": control("clearJournal", "Forget the calls", None) }),
        ),
    ]
}

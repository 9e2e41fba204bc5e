//! Errors for messages that can't be read: each names the field of the message, and its fault.

use pytest_lens_protocol::{Shape, decode_request, decode_response, encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::samples;

/// The sentences for one request, sent by name and by place (the same fields, in order, `type` first).
fn told(message: &Value) -> String {
    let named = rmp_serde::to_vec(message).unwrap();
    let compact = rmp_serde::to_vec(&compact(message)).unwrap();
    sentences(&named, &compact, |bytes| decode_request(bytes).1.unwrap_err().to_string())
}

fn sentences(named: &[u8], compact: &[u8], say: impl Fn(&[u8]) -> String) -> String {
    let (named, compact) = (say(named), say(compact));
    if named == compact { named } else { format!("named: {named}\ncompact: {compact}") }
}

/// Objects as arrays of their values, as the compact shape has them.
fn compact(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.values().map(compact).collect(),
        Value::Array(items) => items.iter().map(compact).collect(),
        other => other.clone(),
    }
}

fn raw(message: &impl Serialize) -> String {
    decode_request(&rmp_serde::to_vec(message).unwrap()).1.unwrap_err().to_string()
}

#[test]
fn a_missing_field_is_named() {
    insta::assert_snapshot!(told(&json!({"type": "collect", "context_id": "c"})), @"collect: field `force`: it is missing");
    insta::assert_snapshot!(told(&json!({"type": "collect"})), @"collect: field `context_id`: it is missing");
    insta::assert_snapshot!(told(&json!({"type": "get_events", "context_id": "c", "cursor": 1})), @"get_events: field `wait_ms`: it is missing");
}

#[test]
fn a_field_of_a_wrong_type_is_named() {
    insta::assert_snapshot!(told(&json!({"type": "collect", "context_id": "c", "force": "yes"})), @"collect: field `force`: it has a wrong type, FixStr(3) of MessagePack");
    insta::assert_snapshot!(told(&json!({"type": "collect", "context_id": 3, "force": true})), @"collect: field `context_id`: invalid type: integer `3`, expected a string");
    insta::assert_snapshot!(told(&json!({"type": "collect", "context_id": null, "force": true})), @"collect: field `context_id`: invalid type: unit value, expected a string");
    insta::assert_snapshot!(
        told(&json!({"type": "configure_workers", "context_id": "c", "num_workers": -1})), @"configure_workers: field `num_workers`: invalid value: integer `-1`, expected u32");
    insta::assert_snapshot!(
        told(&json!({"type": "configure_workers", "context_id": "c", "num_workers": 5_000_000_000u64})), @"configure_workers: field `num_workers`: invalid value: integer `5000000000`, expected u32");
}

#[test]
fn a_place_in_a_list_is_named() {
    let ids = json!({"type": "run", "context_id": "c", "node_ids": ["a", 7], "workers": null, "maxfail": null});
    insta::assert_snapshot!(told(&ids), @"run: field `node_ids[1]`: invalid type: integer `7`, expected a string");
    let ids = json!({"type": "run", "context_id": "c", "node_ids": "a", "workers": null, "maxfail": null});
    insta::assert_snapshot!(told(&ids), @r#"run: field `node_ids`: invalid type: string "a", expected a sequence"#);
}

/// A streaming run with these options.
fn with_options(options: Value) -> Value {
    json!({"type": "run_stream", "context_id": "c", "node_ids": [], "workers": null, "maxfail": null, "options": options})
}

#[test]
fn a_field_of_the_options_is_named() {
    let options = json!({"keyword": null, "marker": null, "arguments": [], "run_disabled": "yes"});
    insta::assert_snapshot!(told(&with_options(options)), @"
    named: run_stream: field `options.run_disabled`: it has a wrong type, FixStr(3) of MessagePack
    compact: run_stream: field `options[3]`: it has a wrong type, FixStr(3) of MessagePack
    ");
    let options = json!({"keyword": null, "marker": null, "arguments": ["-x", {}]});
    insta::assert_snapshot!(told(&with_options(options)), @"
    named: run_stream: field `options.arguments[1]`: invalid type: map, expected a string
    compact: run_stream: field `options[2][1]`: invalid type: sequence, expected a string
    ");
    let named = rmp_serde::to_vec(&with_options(json!({"keywords": "a"}))).unwrap();
    insta::assert_snapshot!(decode_request(&named).1.unwrap_err(), @"run_stream: field `options.keywords`: unknown field `keywords`, expected one of `keyword`, `marker`, `arguments`, `run_disabled`, `timeout_ms`, `reruns`, `source`, `auto_workers`, `coverage`, `until_failure`, `first`, `in_order_of`, `whole_files`, `ends_with_session`, `full_reports`, `timings`, `phase_durations`, `executor`");
}

#[test]
fn a_field_of_a_suites_options_is_named() {
    let built = |options: Value| json!({"type": "build_run", "context_id": "c", "suites": [{"test_url": "t.py", "options": options}]});
    insta::assert_snapshot!(raw(&built(json!({"parallel": -1}))), @"build_run: field `suites[0].options.parallel`: invalid value: integer `-1`, expected u16");
    insta::assert_snapshot!(raw(&built(json!({"timeout": "1s"}))), @"build_run: field `suites[0].options.timeout`: it has a wrong type, FixStr(2) of MessagePack");
    insta::assert_snapshot!(raw(&built(json!({"log_iterator": "both"}))), @"build_run: field `suites[0].options.log_iterator`: unknown variant `both`, expected `batch` or `archive`");
    insta::assert_snapshot!(raw(&built(json!({"filters": []}))), @"build_run: field `suites[0].options.filters`: unknown field `filters`, expected one of `run_disabled_tests`, `parallel`, `arguments`, `timeout`, `case_filters_to_run`, `log_iterator`");
    insta::assert_snapshot!(raw(&json!({"type": "build_run", "context_id": "c", "suites": [{}]})), @"build_run: field `suites[0].test_url`: it is missing");
}

#[test]
fn a_nested_field_that_is_missing_is_named_with_its_place() {
    let data = json!({"type": "inventory_data", "hash": "h", "collected_at": 1, "nodes": [
        {"node_id": "a", "file_path": "b", "lineno": 1, "name": "n", "class_name": null, "markers": [], "skip": false},
    ]});
    let named = rmp_serde::to_vec(&data).unwrap();
    let compact = rmp_serde::to_vec(&compact(&data)).unwrap();
    let told = sentences(&named, &compact, |bytes| decode_response(bytes).1.unwrap_err().to_string());
    insta::assert_snapshot!(told, @"
    named: inventory_data: field `nodes[0].xfail`: it is missing
    compact: inventory_data: field `nodes[0]`: invalid length 7, expected struct TestNodeInfo with 8 elements
    ");
}

#[test]
fn more_values_than_fields_are_told() {
    insta::assert_snapshot!(raw(&("collect", "c", true, 1)), @"collect: field `[3]`: the message has fewer fields");
    insta::assert_snapshot!(raw(&("ping", 1)), @"ping: field `[1]`: the message has fewer fields");
}

#[test]
fn a_field_that_comes_twice_is_told() {
    let mut bytes = encode(&samples::requests()[2], Shape::Named).unwrap();
    bytes[0] = 0x84;
    bytes.extend_from_slice(b"\xa5force\xc2");
    insta::assert_snapshot!(decode_request(&bytes).1.unwrap_err(), @"collect: field `force`: it comes twice");
}

#[test]
fn a_field_that_nobody_knows_is_no_harm() {
    let bytes = rmp_serde::to_vec(&json!({"of_tomorrow": [1, {"a": 2}], "type": "ping"})).unwrap();
    assert_eq!(decode_request(&bytes), (Shape::Named, Ok(pytest_lens_protocol::Request::Ping)));
}

#[test]
fn an_unknown_type_is_told_with_the_one_that_looks_alike() {
    insta::assert_snapshot!(told(&json!({"type": "get_shards", "context_id": "c"})), @r#"unknown type "get_shards"; did you mean "get_shard"?"#);
    insta::assert_snapshot!(told(&json!({"type": "run_streem"})), @r#"unknown type "run_streem"; did you mean "run_stream"?"#);
    insta::assert_snapshot!(told(&json!({"type": "RunStream"})), @r#"unknown type "RunStream"; did you mean "run_stream"?"#);
    insta::assert_snapshot!(told(&json!({"type": "launch"})), @r#"unknown type "launch""#);
    insta::assert_snapshot!(told(&json!({"type": ""})), @r#"unknown type """#);
    insta::assert_snapshot!(told(&json!({"type": "x".repeat(1_000)})), @r#"unknown type "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…""#);
}

#[test]
fn what_is_no_message_is_told() {
    insta::assert_snapshot!(decode_request(b"").1.unwrap_err(), @"not a message: neither a map nor an array; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(decode_request(b"\xff").1.unwrap_err(), @"not a message: neither a map nor an array; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(decode_request(b"{\"type\": \"ping\"}").1.unwrap_err(), @"not a message: neither a map nor an array; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(raw(&json!({"context_id": "c"})), @"not a message: missing field `type`; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(told(&json!({"type": 3})), @"not a message: invalid type: integer `3`, expected a string; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(raw(&json!([])), @"not a message: an empty array; send a MessagePack map or array whose `type` is a string");
    insta::assert_snapshot!(raw(&json!({})), @"not a message: missing field `type`; send a MessagePack map or array whose `type` is a string");
    let deep = [b"\x92\xa4ping".to_vec(), vec![0x91; 100_000], vec![0xc0]].concat();
    insta::assert_snapshot!(decode_request(&deep).1.unwrap_err(), @"not a message: it is nested too deeply; send a MessagePack map or array whose `type` is a string");
    let bomb = b"\x92\xa7collect\xdd\xff\xff\xff\xff";
    insta::assert_snapshot!(decode_request(bomb).1.unwrap_err(), @"not a message: it ends too early; send a MessagePack map or array whose `type` is a string");
}

#[test]
fn bytes_behind_a_message_are_told() {
    for shape in [Shape::Compact, Shape::Named] {
        let mut bytes = encode(&samples::requests()[1], shape).unwrap();
        bytes.extend_from_slice(b"\x01\x02");
        let (found, error) = decode_request(&bytes);
        assert_eq!(found, shape);
        insta::allow_duplicates! {
            insta::assert_snapshot!(error.unwrap_err(), @"not a message: 2 bytes follow the message; send a MessagePack map or array whose `type` is a string");
        }
    }
}

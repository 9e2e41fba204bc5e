//! The JSON schema of a project's own settings, for editors of TOML: Even Better TOML, Taplo, SchemaStore.

use pytest_lens_protocol::Settings;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of `pytest-lens.toml`, and of `[tool.pytest-lens]` in `pyproject.toml`.
pub(crate) fn write() -> String {
    let mut generator = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = generator.root_schema_for::<Settings>().to_value();
    strict(&mut schema);
    let Value::Object(schema) = schema else { return String::new() };
    let mut whole = Map::new();
    whole.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
    whole.insert("title".into(), json!("Settings of pytest-lens"));
    whole.insert(
        "description".into(),
        json!("The content of pytest-lens.toml, or of [tool.pytest-lens] in pyproject.toml. Made by `cargo xtask codegen`."),
    );
    for (key, value) in schema {
        whole.entry(key).or_insert(value);
    }
    serde_json::to_string_pretty(&Value::Object(whole)).unwrap_or_default() + "\n"
}

/// TOML has no null; a key that is no setting is a mistake; a name may also be written with `-` or `_`.
fn strict(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(Value::Array(choices)) = map.get_mut(choice) {
            choices.retain(|choice| choice.get("type") != Some(&json!("null")));
            choices.iter_mut().for_each(strict);
        }
    }
    // A single alternative to null is no choice.
    if let Some([only]) = map.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        let only = only.as_object().cloned().unwrap_or_default();
        map.remove("anyOf");
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
    if let Some(description) = map.get("description").and_then(Value::as_str) {
        let plain = description.replace('\n', " ");
        map.insert("description".into(), plain.into());
    }
    let Some(Value::Object(properties)) = map.get_mut("properties") else { return };
    properties.values_mut().for_each(strict);
    let respelled: Map<String, Value> = properties
        .iter()
        .filter(|(name, _)| name.contains(|c: char| c.is_ascii_uppercase()))
        .map(|(name, value)| (format!("^{}$", respelled(name)), value.clone()))
        .collect();
    if !respelled.is_empty() {
        map.insert("patternProperties".into(), Value::Object(respelled));
    }
    map.insert("additionalProperties".into(), false.into());
}

/// `maxReruns` as the pattern `max[-_]reruns`.
fn respelled(name: &str) -> String {
    let mut pattern = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            pattern.push_str("[-_]");
        }
        pattern.push(letter.to_ascii_lowercase());
    }
    pattern
}

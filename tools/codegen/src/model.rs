//! The protocol's definitions, as far as types of other languages need them: read from the JSON schemas that are derived
//! from the Rust types.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use pytest_lens_protocol::{Event, Request, Response, Settings};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// Every type, by name.
pub(crate) struct Model {
    /// In the order of their names, except that a type follows those that it extends.
    pub definitions: Vec<Definition>,
}

/// A named type.
pub(crate) struct Definition {
    pub name: String,
    pub doc: String,
    pub shape: Shape,
}

/// The kind of a named type.
pub(crate) enum Shape {
    /// An object, with the fields of `base` besides its own.
    Record { base: Option<String>, fields: Vec<Field> },
    /// One of some words.
    Words(Vec<String>),
    /// One of some named types.
    OneOf(Vec<String>),
    /// Another name for a type.
    Alias(Type),
}

/// A field of a record.
pub(crate) struct Field {
    pub name: String,
    pub doc: String,
    pub kind: Type,
    /// The field is always present.
    pub required: bool,
}

/// The type of a value.
#[derive(Clone)]
pub(crate) enum Type {
    Text,
    Bytes,
    Boolean,
    Integer,
    Number,
    /// Any JSON.
    Anything,
    /// This very word.
    Word(String),
    List(Box<Type>),
    Map(Box<Type>),
    Named(String),
    /// May be null.
    Nullable(Box<Type>),
    OneOf(Vec<Type>),
}

impl Model {
    /// Reads the definitions of responses, events and settings, in the form in which the engine sends them.
    pub(crate) fn read() -> Result<Self> {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        generator.subschema_for::<Response>();
        generator.subschema_for::<Event>();
        generator.subschema_for::<Settings>();
        Self::of(generator)
    }

    /// Reads the definitions of requests, in the form in which the engine takes them.
    pub(crate) fn of_requests() -> Result<Self> {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        generator.subschema_for::<Request>();
        Self::of(generator)
    }

    fn of(mut generator: SchemaGenerator) -> Result<Self> {
        let schemas: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
        let mut definitions = Vec::new();
        for (name, schema) in &schemas {
            read_definition(name, schema, &mut definitions).with_context(|| format!("the schema of {name}"))?;
        }
        // A class must be defined before the ones that extend it.
        definitions.sort_by_key(|definition| match &definition.shape {
            Shape::Words(_) | Shape::Alias(_) => 0,
            Shape::Record { base: None, .. } => 1,
            Shape::Record { .. } => 2,
            Shape::OneOf(_) => 3,
        });
        Ok(Model { definitions })
    }
}

fn read_definition(name: &str, schema: &Value, into: &mut Vec<Definition>) -> Result<()> {
    let define = |shape| Definition { name: name.to_owned(), doc: doc(schema), shape };
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else {
        let is_record = schema.get("properties").is_some();
        let shape = match words(schema) {
            Some(words) => Shape::Words(words),
            None if is_record => Shape::Record { base: None, fields: fields(schema)? },
            None => Shape::Alias(type_of(schema)?),
        };
        into.push(define(shape));
        return Ok(());
    };
    let all_words: Option<Vec<String>> =
        variants.iter().map(words).collect::<Option<Vec<_>>>().map(|words| words.into_iter().flatten().collect());
    if let Some(words) = all_words {
        into.push(define(Shape::Words(words)));
        return Ok(());
    }
    let mut members = Vec::new();
    for variant in variants {
        let base = variant.get("$ref").and_then(Value::as_str).map(referred);
        let own = fields(variant)?;
        let Some(tag) = own.iter().find_map(|field| match &field.kind {
            Type::Word(word) => Some(word.clone()),
            _ => None,
        }) else {
            bail!("a variant without a tag");
        };
        // Responses are named by their tag alone; variants of other types may share a tag.
        let suffix = if name == "Response" { "" } else { name };
        let member = format!("{}{suffix}", pascal(&tag));
        let shared = if schema.get("properties").is_some() { fields(schema)? } else { Vec::new() };
        let shape = Shape::Record { base, fields: own.into_iter().chain(shared).collect() };
        into.push(Definition { name: member.clone(), doc: doc(variant), shape });
        members.push(member);
    }
    into.push(define(Shape::OneOf(members)));
    Ok(())
}

fn fields(schema: &Value) -> Result<Vec<Field>> {
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    properties
        .iter()
        .map(|(name, schema)| {
            let required = required.contains(&name.as_str());
            let kind = type_of(schema).with_context(|| format!("field {name}"))?;
            // A field that is left out when empty is never null.
            let kind = match kind {
                Type::Nullable(inner) if !required => *inner,
                kind => kind,
            };
            Ok(Field { name: name.clone(), doc: doc(schema), kind, required })
        })
        .collect()
}

fn type_of(schema: &Value) -> Result<Type> {
    if schema.as_bool() == Some(true) {
        return Ok(Type::Anything);
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return Ok(Type::Named(referred(reference)));
    }
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Ok(Type::Word(word.to_owned()));
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
        let kinds: Vec<Type> = any.iter().filter(|schema| !is_null(schema)).map(type_of).collect::<Result<_>>()?;
        let kind = match <[Type; 1]>::try_from(kinds) {
            Ok([kind]) => kind,
            Err(kinds) => Type::OneOf(kinds),
        };
        return Ok(if any.iter().any(|schema| is_null(&schema)) { Type::Nullable(Box::new(kind)) } else { kind });
    }
    match schema.get("type") {
        Some(Value::String(name)) => simple(name, schema),
        Some(Value::Array(names)) => {
            let name = names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null");
            Ok(Type::Nullable(Box::new(simple(name, schema)?)))
        }
        None => Ok(Type::Anything),
        Some(other) => bail!("type {other}"),
    }
}

fn simple(name: &str, schema: &Value) -> Result<Type> {
    Ok(match name {
        "string" if schema.get("format").and_then(Value::as_str) == Some("binary") => Type::Bytes,
        "string" => Type::Text,
        "boolean" => Type::Boolean,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "array" => Type::List(Box::new(schema.get("items").map_or(Ok(Type::Anything), type_of)?)),
        "object" => Type::Map(Box::new(schema.get("additionalProperties").map_or(Ok(Type::Anything), type_of)?)),
        other => bail!("type {other}"),
    })
}

/// The words that a schema of words alone admits.
fn words(schema: &Value) -> Option<Vec<String>> {
    let is_text = schema.get("type").and_then(Value::as_str) == Some("string");
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word.to_owned()]);
    }
    let all = schema.get("enum").and_then(Value::as_array).filter(|_| is_text)?;
    all.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

fn doc(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    // Removes rustdoc's links, which other languages do not know.
    text.replace("[`crate::", "`").replace("`]", "`").replace('\n', " ")
}

fn referred(reference: &str) -> String {
    reference.rsplit('/').next().unwrap_or(reference).to_owned()
}

/// `run_started` and `runStarted` as `RunStarted`.
fn pascal(tag: &str) -> String {
    tag.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

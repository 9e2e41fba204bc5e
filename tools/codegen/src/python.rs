//! The types as Python has them: `TypedDict`s and literals, for the type checkers of those who use `pytest_lens.Engine`.

use std::fmt::Write as _;

use super::model::{Field, Model, Shape, Type};

const LINE: usize = 100;

/// The whole module.
pub(crate) fn write(model: &Model) -> String {
    let mut text = String::from(
        "\"\"\"The types of the engine's responses and events.\n\n\
         Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.\n\"\"\"\n\n\
         from __future__ import annotations\n\n\
         from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union\n\n\
         if TYPE_CHECKING:\n    from typing_extensions import NotRequired  # every type checker knows it\n\n",
    );
    let mut behind_class = false;
    for definition in &model.definitions {
        // An alias wants two blank lines behind a class, one behind another alias.
        let is_class = matches!(definition.shape, Shape::Record { .. });
        if behind_class && !is_class {
            text.push('\n');
        }
        behind_class = is_class;
        let name = &definition.name;
        match &definition.shape {
            Shape::Record { base, fields } => {
                let base = base.as_deref().unwrap_or("TypedDict");
                let _ = write!(text, "\n\nclass {name}({base}):\n");
                docstring(&mut text, &definition.doc, fields);
                text.push('\n');
                for field in fields {
                    let kind = annotation(&field.kind);
                    let kind = if field.required { kind } else { format!("NotRequired[{kind}]") };
                    let _ = writeln!(text, "    {}: {kind}", field.name);
                }
            }
            Shape::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                alias(&mut text, name, &definition.doc, "Literal", &words);
            }
            Shape::OneOf(members) => alias(&mut text, name, &definition.doc, "Union", members),
            Shape::Alias(Type::OneOf(kinds)) => {
                let kinds: Vec<String> = kinds.iter().map(annotation).collect();
                alias(&mut text, name, &definition.doc, "Union", &kinds);
            }
            Shape::Alias(kind) => {
                let _ = write!(text, "\n{name} = {}\n", annotation(kind));
            }
        }
    }
    text
}

fn docstring(text: &mut String, doc: &str, fields: &[Field]) {
    let told: Vec<&Field> = fields.iter().filter(|field| !field.doc.is_empty()).collect();
    if told.is_empty() {
        let _ = writeln!(text, "    \"\"\"{doc}\"\"\"");
        return;
    }
    let _ = writeln!(text, "    \"\"\"{doc}\n");
    for field in told {
        wrapped(text, &format!("* ``{}``: {}", field.name, field.doc.replace('`', "``")));
    }
    let _ = writeln!(text, "    \"\"\"");
}

/// Lines of at most [`LINE`] characters, indented as a class's docstring.
fn wrapped(text: &mut String, line: &str) {
    let mut indent = "    ";
    let mut current = String::new();
    for word in line.split_whitespace() {
        if !current.is_empty() && indent.len() + current.len() + 1 + word.len() > LINE {
            let _ = writeln!(text, "{indent}{current}");
            current.clear();
            indent = "      ";
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    let _ = writeln!(text, "{indent}{current}");
}

fn alias(text: &mut String, name: &str, doc: &str, of: &str, members: &[String]) {
    let line = format!("{name} = {of}[{}]", members.join(", "));
    text.push('\n');
    if line.len() <= LINE {
        let _ = writeln!(text, "{line}");
    } else {
        let _ = writeln!(text, "{name} = {of}[");
        for member in members {
            let _ = writeln!(text, "    {member},");
        }
        text.push_str("]\n");
    }
    if !doc.is_empty() {
        let _ = writeln!(text, "\"\"\"{doc}\"\"\"");
    }
}

fn annotation(kind: &Type) -> String {
    match kind {
        Type::Text => "str".into(),
        Type::Bytes => "bytes".into(),
        Type::Boolean => "bool".into(),
        Type::Integer => "int".into(),
        Type::Number => "float".into(),
        Type::Anything => "Any".into(),
        Type::Word(word) => format!("Literal[{word:?}]"),
        Type::List(of) => format!("list[{}]", annotation(of)),
        Type::Map(of) => format!("dict[str, {}]", annotation(of)),
        Type::Named(name) => name.clone(),
        Type::Nullable(of) => format!("{} | None", annotation(of)),
        Type::OneOf(kinds) => format!("Union[{}]", kinds.iter().map(annotation).collect::<Vec<_>>().join(", ")),
    }
}

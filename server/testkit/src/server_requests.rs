//! The editor's side of the server's requests: each is answered at once, as a patient editor would.

use serde_json::{Value, json};

/// Answers one request of the server; `settings` holds the user's settings, by section. `None` for a request that no
/// editor knows.
pub(crate) fn answer(method: &str, params: &Value, settings: &Value) -> Option<Value> {
    Some(match method {
        "workspace/configuration" => {
            let items = params["items"].as_array().map_or(&[][..], Vec::as_slice);
            items.iter().map(|item| section(settings, item)).collect()
        }
        "workspace/applyEdit" => json!({"applied": true}),
        "window/showDocument" => json!({"success": true}),
        "window/workDoneProgress/create"
        | "client/registerCapability"
        | "client/unregisterCapability"
        | "workspace/codeLens/refresh"
        | "workspace/inlayHint/refresh" => Value::Null,
        _ => return None,
    })
}

/// The part of the settings that an item asks for by its dotted name.
fn section(settings: &Value, item: &Value) -> Value {
    let mut found = settings;
    for key in item["section"].as_str().unwrap_or_default().split('.') {
        if !key.is_empty() {
            found = &found[key];
        }
    }
    found.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_answered_item_by_item() {
        let settings = json!({"pytestLens": {"workers": 2, "rerun": {"enabled": true}}});
        let params = json!({"items": [
            {"section": "pytestLens"}, {"section": "pytestLens.rerun"}, {"section": "other"}
        ]});
        let expected = json!([settings["pytestLens"], {"enabled": true}, null]);
        assert_eq!(answer("workspace/configuration", &params, &settings), Some(expected));
    }

    #[test]
    fn what_needs_no_answer_gets_null() {
        assert_eq!(answer("workspace/codeLens/refresh", &Value::Null, &Value::Null), Some(Value::Null));
    }

    #[test]
    fn a_request_that_no_editor_takes_has_no_answer() {
        assert_eq!(answer("workspace/codeLenses/refresh", &Value::Null, &Value::Null), None);
    }
}

//! Settings from JSON: one mistake loses one value, and is reported.

use pytest_lens_protocol::{Executor, RunOnSave, Settings, WorkerCount};
use serde_json::json;

fn problems(value: serde_json::Value) -> (Settings, String) {
    let (settings, problems) = Settings::from_json(&value);
    (settings, problems.join("\n"))
}

#[test]
fn nothing_means_the_defaults() {
    assert_eq!(Settings::from_json(&json!(null)), (Settings::default(), vec![]));
    assert_eq!(Settings::from_json(&json!({})), (Settings::default(), vec![]));
    let nulls = json!({"workers": null, "rerun": {"maxReruns": null}, "codeLens": null});
    assert_eq!(Settings::from_json(&nulls), (Settings::default(), vec![]));
}

#[test]
fn every_setting_is_read() {
    let value = json!({
        "pythonPath": "/py", "executionMode": "subprocess", "workers": 3, "arguments": ["-x"], "env": {"A": "1"},
        "envFile": ".env", "codeLens": {"enable": false}, "inlayHints": {"enable": true}, "runOnSave": "affected",
        "timeoutMs": 5, "collectTimeoutMs": 6, "debugTimeoutMs": 7,
        "rerun": {"enabled": true, "maxReruns": 9, "onlyFlaky": true, "delayMs": 8},
        "fixtureReuse": {"enabled": true, "maxAgeSeconds": 1.5, "teardownOnConftestChange": false,
            "teardownOnTestFileChange": true, "scopes": ["session"]},
        "flaky": {"window": 7}, "executor": "ray", "ray": {"address": "auto"},
    });
    let (settings, problems) = Settings::from_json(&value);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(serde_json::to_value(&settings).unwrap(), value, "and written as it is read");
    assert_eq!((settings.run_on_save, settings.executor), (RunOnSave::Affected, Executor::Ray));
}

#[test]
fn a_wrong_value_is_told_and_the_rest_kept() {
    let (settings, told) = problems(json!({
        "workers": "many",
        "arguments": ["-x", 3],
        "runOnSave": "always",
        "timeoutMs": 10,
        "rerun": {"enabled": true, "maxReruns": "lots", "delayMs": 5},
    }));
    assert_eq!((settings.workers, settings.arguments.len(), settings.run_on_save), (None, 0, RunOnSave::Off));
    assert_eq!(settings.timeout_ms, Some(10));
    assert_eq!((settings.rerun.enabled, settings.rerun.max_reruns, settings.rerun.delay_ms), (true, 2, 5));
    insta::assert_snapshot!(told, @r#"
    setting `pytestLens.workers`: invalid value: string "many", expected a number of at least 1, or "auto"; correct it, until then its default is used
    setting `pytestLens.arguments[1]`: invalid type: integer `3`, expected a string; correct it, until then its default is used
    setting `pytestLens.runOnSave`: unknown variant `always`, expected one of `off`, `file`, `affected`; correct it, until then its default is used
    setting `pytestLens.rerun.maxReruns`: invalid type: string "lots", expected u32; correct it, until then its default is used
    "#);
}

#[test]
fn workers_are_a_number_or_chosen() {
    let workers = |value| problems(json!({ "workers": value })).0.workers;
    assert_eq!((workers(json!(3)), workers(json!("auto"))), (Some(WorkerCount::Fixed(3)), Some(WorkerCount::Auto)));
    assert_eq!((workers(json!(0)), workers(json!(-1)), workers(json!(null))), (None, None, None));
    let back = serde_json::to_value([WorkerCount::Auto, WorkerCount::Fixed(2)]).unwrap();
    assert_eq!(back, json!(["auto", 2]));
}

#[test]
fn several_wrong_values_of_one_object_are_each_told() {
    let (settings, told) = problems(json!({"rerun": {"enabled": 1, "maxReruns": "lots", "delayMs": 5}}));
    assert_eq!((settings.rerun.enabled, settings.rerun.max_reruns, settings.rerun.delay_ms), (false, 2, 5));
    insta::assert_snapshot!(told, @r#"
    setting `pytestLens.rerun.enabled`: invalid type: integer `1`, expected a boolean; correct it, until then its default is used
    setting `pytestLens.rerun.maxReruns`: invalid type: string "lots", expected u32; correct it, until then its default is used
    "#);
}

#[test]
fn an_object_where_none_belongs_is_told_once() {
    let (settings, told) = problems(json!({"workers": {"a": 1, "b": 2}}));
    assert_eq!(settings, Settings::default());
    insta::assert_snapshot!(told, @r#"setting `pytestLens.workers`: invalid type: map, expected a number of at least 1, or "auto"; correct it, until then its default is used"#);
}

#[test]
fn what_is_no_object_gives_the_defaults() {
    let (settings, told) = problems(json!([1, 2]));
    assert_eq!(settings, Settings::default());
    insta::assert_snapshot!(told, @"the settings must be an object, not [1,2]; the defaults are used");
}

#[test]
fn unknown_keys_are_for_others() {
    assert_eq!(Settings::from_json(&json!({"trace": {"server": "off"}})), (Settings::default(), vec![]));
}

#[test]
fn an_execution_mode_that_does_not_exist_is_told() {
    let (settings, told) = problems(json!({"executionMode": "embeded"}));
    assert_eq!(settings.execution_mode, "auto");
    insta::assert_snapshot!(told, @"setting `pytestLens.executionMode`: unknown variant `embeded`, expected one of `embedded`, `subprocess`, `auto`; correct it, until then its default is used");
}

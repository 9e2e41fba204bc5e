//! Settings from JSON: one mistake loses one value, and is reported.

use proptest::prelude::*;
use pytest_lens_protocol::{
    ClientSettings, Executor, FixtureReuseSettings, PartialSettings, RunOnSave, Settings, WorkerCount,
};
use serde_json::{Value, json};

fn problems(value: Value) -> (Settings, String) {
    let (settings, problems) = Settings::from_json(&value);
    (settings, problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
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
        "envFile": ".env", "projects": ["pkg/*"], "codeLens": {"enable": false}, "inlayHints": {"enable": true}, "runOnSave": "affected",
        "timeoutMs": 5, "collectTimeoutMs": 6, "debugTimeoutMs": 7,
        "rerun": {"enabled": true, "maxReruns": 9, "onlyFlaky": true, "delayMs": 8},
        "fixtureReuse": {"enabled": true, "maxAgeSeconds": 1.5, "teardownOnConftestChange": false,
            "teardownOnTestFileChange": true, "scopes": ["session"]},
        "flaky": {"window": 7}, "executor": "ray", "ray": {"address": "auto", "packages": ["attrs==26.1.0"]}, "impact": {"record": "off"},
    });
    let (settings, problems) = Settings::from_json(&value);
    assert_eq!(problems, vec![]);
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
    setting `pytestLens.workers`: invalid value: string "many", expected a number from 1 to 65536, or "auto"; correct it, until then it counts as not set
    setting `pytestLens.arguments[1]`: invalid type: integer `3`, expected a string; correct it, until then it counts as not set
    setting `pytestLens.runOnSave`: unknown variant `always`, expected one of `off`, `file`, `affected`; correct it, until then it counts as not set
    setting `pytestLens.rerun.maxReruns`: invalid type: string "lots", expected a whole number of at least 0; correct it, until then it counts as not set
    "#);
}

#[test]
fn workers_are_a_number_or_chosen() {
    let workers = |value| problems(json!({ "workers": value })).0.workers;
    assert_eq!((workers(json!(3)), workers(json!("auto"))), (Some(WorkerCount::Fixed(3)), Some(WorkerCount::Auto)));
    assert_eq!((workers(json!(0)), workers(json!(-1)), workers(json!(null))), (None, None, None));
    assert_eq!((workers(json!(65_536)), workers(json!(65_537))), (Some(WorkerCount::Fixed(65_536)), None));
    assert_eq!(workers(json!(u64::MAX)), None);
    let back = serde_json::to_value([WorkerCount::Auto, WorkerCount::Fixed(2)]).unwrap();
    assert_eq!(back, json!(["auto", 2]));
}

#[test]
fn several_wrong_values_of_one_object_are_each_told() {
    let (settings, told) = problems(json!({"rerun": {"enabled": 1, "maxReruns": "lots", "delayMs": 5}}));
    assert_eq!((settings.rerun.enabled, settings.rerun.max_reruns, settings.rerun.delay_ms), (false, 2, 5));
    insta::assert_snapshot!(told, @r#"
    setting `pytestLens.rerun.enabled`: invalid type: integer `1`, expected a boolean; correct it, until then it counts as not set
    setting `pytestLens.rerun.maxReruns`: invalid type: string "lots", expected a whole number of at least 0; correct it, until then it counts as not set
    "#);
}

#[test]
fn an_object_where_none_belongs_is_told_once() {
    let (settings, told) = problems(json!({"workers": {"a": 1, "b": 2}}));
    assert_eq!(settings, Settings::default());
    insta::assert_snapshot!(told, @r#"setting `pytestLens.workers`: invalid type: object, expected a number from 1 to 65536, or "auto"; correct it, until then it counts as not set"#);
}

#[test]
fn what_is_no_object_gives_the_defaults() {
    let (settings, told) = problems(json!([1, 2]));
    assert_eq!(settings, Settings::default());
    insta::assert_snapshot!(told, @"the settings must be an object, not [1,2]; they count as not set");
}

#[test]
fn unknown_keys_are_for_others() {
    assert_eq!(Settings::from_json(&json!({"trace": {"server": "off"}})), (Settings::default(), vec![]));
}

#[test]
fn an_execution_mode_that_does_not_exist_is_told() {
    let (settings, told) = problems(json!({"executionMode": "embeded"}));
    assert_eq!(settings.execution_mode, "auto");
    insta::assert_snapshot!(told, @"setting `pytestLens.executionMode`: unknown variant `embeded`, expected one of `embedded`, `subprocess`, `auto`; correct it, until then it counts as not set");
}

fn given(value: Value) -> PartialSettings {
    let (given, mistakes) = PartialSettings::read(&value);
    assert_eq!(mistakes, vec![], "{value}");
    given
}

#[test]
fn what_one_place_gives_goes_over_what_another_does_key_by_key() {
    let file =
        given(json!({"workers": 2, "env": {"A": "file", "B": "file"}, "rerun": {"enabled": true, "delayMs": 9}}));
    let client = given(json!({"workers": "auto", "env": {"A": "client"}, "rerun": {"delayMs": 1}, "arguments": null}));
    let both = client.over(&file);
    assert_eq!(
        both.to_json(),
        json!({"workers": "auto", "env": {"A": "client", "B": "file"}, "rerun": {"enabled": true, "delayMs": 1}})
    );
    let settings = both.complete();
    assert_eq!((settings.rerun.enabled, settings.rerun.max_reruns, settings.rerun.delay_ms), (true, 2, 1));
    assert_eq!(both.get("rerun.delayMs"), Some(&json!(1)));
    assert_eq!(both.get("rerun.maxReruns"), None);
}

#[test]
fn a_clients_own_defaults_are_below_the_projects_files() {
    let json = json!({"workers": 4, "defaults": {"workers": 1, "codeLens": {"enable": false}, "runOnSave": "file"}});
    let (client, mistakes) = ClientSettings::read(&json);
    assert_eq!((mistakes, client.to_json()), (vec![], json));
    let file = given(json!({"workers": 3, "runOnSave": "affected"}));
    let settings = client.with_file(&file).complete();
    assert_eq!((settings.workers, settings.run_on_save), (Some(WorkerCount::Fixed(4)), RunOnSave::Affected));
    assert!(!settings.code_lens.enable);
    assert_eq!(ClientSettings::read(&json!({"defaults": {"workers": 0}})).1.len(), 1);
}

/// Valid settings of one place, some of each kind.
fn some_settings() -> impl Strategy<Value = PartialSettings> {
    let words = || prop::option::of(prop::collection::vec("[a-z]{0,3}", 0..3));
    let variables = prop::option::of(prop::collection::btree_map("[A-C]", "[a-z]{0,3}", 0..3));
    let workers = prop::option::of(prop_oneof![Just(json!("auto")), (1u32..9).prop_map(|count| json!(count))]);
    let rerun = (prop::option::of(any::<bool>()), prop::option::of(0u32..9));
    (workers, words(), variables, rerun, prop::option::of(0u64..9)).prop_map(
        |(workers, arguments, env, (enabled, max), timeout)| {
            given(json!({
                "workers": workers, "arguments": arguments, "env": env,
                "rerun": {"enabled": enabled, "maxReruns": max}, "timeoutMs": timeout,
            }))
        },
    )
}

/// The values of all settings, by dotted key.
fn leaves(value: &Value, prefix: &str, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() || prefix.is_empty() => {
            for (key, value) in map {
                leaves(value, &if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, into);
            }
        }
        other => into.push((prefix.to_owned(), other.clone())),
    }
}

proptest! {
    #[test]
    fn each_setting_is_that_of_the_highest_place_that_gives_it(
        client in some_settings(), file in some_settings(), defaults in some_settings(),
    ) {
        let merged = client.over(&file.over(&defaults));
        prop_assert_eq!(&merged, &client.over(&file).over(&defaults), "in whichever order they are merged");
        let mut all = Vec::new();
        for place in [&client, &file, &defaults] {
            leaves(&place.to_json(), "", &mut all);
        }
        for (key, value) in &all {
            let first = all.iter().find(|(other, _)| other == key).map(|(_, value)| value);
            if first == Some(value) && !value.is_object() {
                prop_assert_eq!(merged.get(key), Some(value), "{}", key);
            }
        }
        let mut kept = Vec::new();
        leaves(&merged.to_json(), "", &mut kept);
        for (key, value) in kept {
            prop_assert!(all.contains(&(key.clone(), value)), "{} comes from nowhere", key);
        }
        let again = PartialSettings::read(&serde_json::to_value(merged.complete()).unwrap()).0;
        prop_assert_eq!(again.complete(), merged.complete(), "nothing is lost on the way to the engine");
    }

    #[test]
    fn any_json_gives_valid_settings(key in prop::sample::select(vec!["workers", "env", "rerun", "arguments", "ray"]),
                                     value in prop_oneof![Just(json!(null)), any::<i64>().prop_map(|n| json!(n)),
                                         "[a-z]{0,4}".prop_map(|t| json!({"enabled": t, "address": 3})),
                                         "[a-z]{0,4}".prop_map(|t| json!([t, 1]))]) {
        let (given, _) = PartialSettings::read(&json!({ key: value, "timeoutMs": 7 }));
        prop_assert_eq!(given.complete().timeout_ms, Some(7), "one mistake costs one value");
    }
}

#[test]
fn the_chosen_settings_are_kept_alone() {
    let all = given(json!({"codeLens": {"enable": false}, "workers": 2, "flaky": {"window": 3}}));
    let only = all.only(&["codeLens", "flaky", "ray"]);
    assert_eq!(only.to_json(), json!({"codeLens": {"enable": false}, "flaky": {"window": 3}}));
    assert!(!only.is_empty() && all.only(&[]).is_empty());
}

#[test]
fn an_age_and_the_scopes_of_kept_fixtures_are_checked() {
    let reuse = |value: Value| problems(json!({"fixtureReuse": value}));
    for age in [json!(-0.5), json!(-1)] {
        let (settings, told) = reuse(json!({"maxAgeSeconds": age}));
        assert_eq!(settings, Settings::default());
        assert!(told.contains("is no age; give a finite number of seconds, at least 0"), "{told}");
    }
    assert!(FixtureReuseSettings::check_age(f64::INFINITY).is_err());
    assert!(FixtureReuseSettings::check_age(f64::NAN).is_err());
    let (settings, told) = reuse(json!({"maxAgeSeconds": 0, "scopes": ["module", "class"]}));
    assert_eq!((settings.fixture_reuse.max_age_seconds, told), (0.0, String::new()));
    assert_eq!(settings.fixture_reuse.scopes, ["module", "class"]);
    let (settings, told) = reuse(json!({"scopes": ["session", "function"]}));
    assert_eq!(settings, Settings::default());
    assert!(told.contains("unknown variant `function`"), "{told}");
}

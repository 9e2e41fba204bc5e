//! Keys, saves and ends of runs, in every order.

use proptest::prelude::*;

use super::*;

fn started() -> Machine {
    let (machine, actions) = Machine::new();
    assert_eq!(actions, [Action::Run(Scope::All)]);
    machine
}

fn idle() -> Machine {
    let mut machine = started();
    assert_eq!(machine.step(Input::Ended(Some(1))), [ready()]);
    machine
}

fn ready() -> Action {
    Action::Show(Screen::Ready)
}

fn save(path: &str, content: u64) -> Input {
    Input::Changed { files: vec![(path.into(), Some(content))], everything: false, near_run: false }
}

fn during(path: &str, content: u64) -> Input {
    Input::Changed { files: vec![(path.into(), Some(content))], everything: false, near_run: true }
}

fn affected(paths: &[&str]) -> Action {
    Action::Run(Scope::Affected(paths.iter().map(|&path| path.to_owned()).collect()))
}

fn key(key: char) -> Input {
    Input::Key(Key::Char(key))
}

fn types(machine: &mut Machine, text: &str) -> Vec<Action> {
    text.chars().for_each(|letter| drop(machine.step(key(letter))));
    machine.step(Input::Key(Key::Enter))
}

#[test]
fn a_save_runs_what_it_affects() {
    let mut machine = idle();
    assert_eq!(machine.step(save("a.py", 1)), [affected(&["a.py"])]);
    assert_eq!(machine.step(Input::Ended(Some(0))), [ready()]);
    // An untouched content counts as a save, too: the user may want a run.
    assert_eq!(machine.step(save("a.py", 1)), [affected(&["a.py"])]);
    assert_eq!(machine.step(Input::Ended(None)), [ready()]);
    assert_eq!(machine.status(), 0);
    let everything = Input::Changed { files: vec![], everything: true, near_run: false };
    assert_eq!(machine.step(everything), [Action::Run(Scope::All)]);
}

#[test]
fn saves_during_a_run_are_one_run_right_after_it() {
    let mut machine = started();
    assert_eq!(machine.step(during("a.py", 1)), []);
    assert_eq!(machine.step(during("b.py", 1)), []);
    assert_eq!(machine.step(Input::Ended(Some(1))), [affected(&["a.py", "b.py"])]);
    assert_eq!(machine.step(during("b.py", 2)), []);
    assert_eq!(machine.step(Input::Ended(Some(0))), [affected(&["b.py"])]);
    // Saved, and taken back before the run ended that began with it.
    machine.step(during("b.py", 3));
    machine.step(during("b.py", 2));
    assert_eq!(machine.step(Input::Ended(Some(0))), [ready()]);
}

#[test]
fn keys_choose_the_next_run() {
    let mut machine = idle();
    assert_eq!(machine.step(key('f')), [Action::Run(Scope::Failed)]);
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.step(Input::Key(Key::Enter)), [Action::Run(Scope::Failed)]);
    machine.step(Input::Ended(Some(0)));
    machine.step(save("a.py", 1));
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.step(Input::Key(Key::Enter)), [affected(&["a.py"])]);
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.step(key('a')), [Action::Run(Scope::All)]);
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.step(key('h')), [Action::Show(Screen::Help)]);
    assert_eq!(machine.step(key('x')), []);
    assert_eq!(machine.step(key('q')), [Action::Quit]);
    assert_eq!(machine.step(key('a')), []);
}

#[test]
fn filters_hold_until_all_tests_are_wanted() {
    let mut machine = idle();
    assert_eq!(machine.step(key('p')), [Action::Show(Screen::Prompt(Asked::Path, String::new()))]);
    assert_eq!(machine.step(key('x')), [Action::Show(Screen::Prompt(Asked::Path, "x".into()))]);
    machine.step(Input::Key(Key::Backspace));
    assert_eq!(types(&mut machine, "api "), [Action::Show(Screen::PromptDone), Action::Run(Scope::All)]);
    machine.step(Input::Ended(Some(0)));
    machine.step(key('t'));
    types(&mut machine, "not slow");
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.filters(), &Filters { path: "api".into(), name: "not slow".into() });
    // Canceled: by Escape, or Ctrl-C.
    for cancel in [Input::Key(Key::Escape), Input::Interrupt] {
        machine.step(key('p'));
        machine.step(key('z'));
        assert_eq!(machine.step(cancel), [Action::Show(Screen::PromptDone), ready()]);
        assert_eq!(machine.filters().path, "api");
    }
    machine.step(key('p'));
    types(&mut machine, "");
    machine.step(Input::Ended(Some(0)));
    assert_eq!(machine.filters(), &Filters { path: String::new(), name: "not slow".into() });
    machine.step(key('a'));
    assert_eq!(machine.filters(), &Filters::default());
}

#[test]
fn a_save_waits_for_the_end_of_a_prompt() {
    let mut machine = idle();
    machine.step(key('p'));
    assert_eq!(machine.step(save("a.py", 1)), []);
    assert_eq!(machine.step(Input::Key(Key::Escape)), [Action::Show(Screen::PromptDone), affected(&["a.py"])]);
}

#[test]
fn keys_stop_a_run_once_and_then_kill_it() {
    let mut machine = started();
    assert_eq!(machine.step(key('f')), [Action::Stop]);
    assert_eq!(machine.step(key('t')), [], "a second stop would kill");
    assert_eq!(machine.step(key('q')), []);
    assert_eq!(machine.step(key('q')), [Action::Stop]);
    assert_eq!(machine.step(Input::Ended(Some(2))), [Action::Quit]);
    assert_eq!(machine.status(), 2);
    let mut machine = started();
    assert_eq!(machine.step(Input::Interrupt), [Action::Stop]);
    assert_eq!(machine.step(Input::Interrupt), [Action::Stop]);
    assert_eq!(machine.step(Input::Ended(Some(2))), [Action::Quit]);
    let mut machine = started();
    machine.step(key('p'));
    assert_eq!(machine.step(Input::Ended(Some(2))), [Action::Show(Screen::Prompt(Asked::Path, String::new()))]);
    let mut machine = started();
    assert_eq!(machine.step(Input::Terminate), [Action::Kill]);
    assert_eq!(machine.step(Input::Ended(Some(2))), [Action::Quit]);
}

#[test]
fn tests_that_write_files_do_not_run_for_ever() {
    let mut machine = idle();
    machine.step(save("a.py", 1));
    // The same content every time: one more run shows it.
    machine.step(during("out.txt", 7));
    assert_eq!(machine.step(Input::Ended(Some(0))), [affected(&["out.txt"])]);
    machine.step(during("out.txt", 7));
    assert_eq!(machine.step(Input::Ended(Some(0))), [ready()]);
    // Another content every time.
    let mut runs = 0;
    machine.step(during("log.txt", 0));
    for content in 1..9 {
        assert!(runs < 5);
        let shown = machine.step(during("log.txt", content));
        let is_told = shown.contains(&Action::Show(Screen::Written("log.txt".into())));
        if machine.step(Input::Ended(Some(0))).iter().any(|action| matches!(action, Action::Run(_))) {
            runs += 1;
        } else {
            assert!(is_told);
            break;
        }
    }
    // Often in one run is once.
    machine.step(save("sub.txt", 0));
    for content in 1..9 {
        machine.step(during("sub.txt", content));
    }
    assert_eq!(machine.step(Input::Ended(Some(0))), [affected(&["sub.txt"])]);
    machine.step(Input::Ended(Some(0)));
    // A later save counts again, and sources always count.
    assert_eq!(machine.step(save("log.txt", 100)), [affected(&["log.txt"])]);
    for content in 1..9 {
        machine.step(during("a.py", content + 10));
        assert_eq!(machine.step(Input::Ended(Some(0))), [affected(&["a.py"])]);
    }
}

#[test]
fn what_tests_write_and_no_test_reads_is_not_worth_a_line() {
    let mut machine = idle();
    assert_eq!(machine.step(during("report.xml", 1)), [affected(&["report.xml"])]);
    assert!(machine.is_aftermath());
    assert_eq!(machine.step(Input::Ended(None)), [], "the screen still says that it waits");
    assert_eq!(machine.step(Input::Key(Key::Enter)), [Action::Run(Scope::All)], "the last run that ran tests");
    machine.step(during("report.xml", 2));
    assert_eq!(machine.step(Input::Ended(Some(0))), [affected(&["report.xml"])]);
    assert_eq!(machine.step(Input::Ended(None)), [ready()]);
    assert_eq!(machine.step(save("README.md", 1)), [affected(&["README.md"])]);
    assert!(!machine.is_aftermath());
    assert_eq!(machine.step(Input::Ended(None)), [ready()]);
}

#[test]
fn after_a_stop_the_screen_comes_back() {
    let mut machine = idle();
    assert_eq!(machine.step(Input::Resumed), [ready()]);
    machine.step(key('t'));
    machine.step(key('x'));
    assert_eq!(machine.step(Input::Resumed), [Action::Show(Screen::Prompt(Asked::Name, "x".into()))]);
}

#[test]
fn an_invalid_expression_runs_nothing_and_leaves_the_filter() {
    let mut machine = idle();
    let typed = |machine: &mut Machine, text: &str| {
        machine.step(key('t'));
        for letter in text.chars() {
            machine.step(key(letter));
        }
        machine.step(Input::Key(Key::Enter))
    };
    typed(&mut machine, "x");
    machine.step(Input::Ended(Some(0)));
    let sentence = "Wrong expression passed to '-k': x or: at column 5: expected not OR left parenthesis OR identifier; got end of input";
    let shown = [Screen::PromptDone, Screen::Invalid(sentence.into()), Screen::Ready].map(Action::Show);
    assert_eq!(typed(&mut machine, "x or"), shown);
    assert_eq!(machine.filters().name, "x");
}

fn any_input() -> impl Strategy<Value = Input> {
    let keys = prop_oneof![
        prop::sample::select("afpthqxyz".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        prop::sample::select(vec![Key::Enter, Key::Backspace, Key::Clear, Key::Escape, Key::End]),
    ];
    prop_oneof![
        4 => keys.prop_map(Input::Key),
        4 => (prop::sample::select(vec!["a.py", "b.py", "c.txt"]), 0..3u64, any::<bool>()).prop_map(
            |(path, content, near_run)| Input::Changed {
                files: vec![(path.into(), Some(content))],
                everything: false,
                near_run,
            }
        ),
        4 => prop::option::of(0..3i32).prop_map(Input::Ended),
        1 => Just(Input::Interrupt),
        1 => Just(Input::Resumed),
    ]
}

proptest! {
    #[test]
    fn every_saved_source_is_run_before_it_waits(inputs in prop::collection::vec(any_input(), 0..60)) {
        let mut machine = started();
        let mut is_running = true;
        let mut is_over = false;
        // Saves that no run has begun after, with their contents.
        let mut open: BTreeMap<String, Content> = BTreeMap::new();
        let mut tested: BTreeMap<String, Content> = BTreeMap::new();
        for input in inputs {
            if matches!(input, Input::Ended(_)) && !is_running {
                continue;
            }
            is_running &= !matches!(input, Input::Ended(_));
            if let Input::Changed { files, .. } = &input {
                open.extend(files.iter().filter(|(path, _)| path.ends_with(".py")).cloned());
                open.retain(|path, content| tested.get(path) != Some(content));
            }
            for action in machine.step(input) {
                prop_assert!(!is_over, "after the end: {action:?}");
                match action {
                    Action::Run(scope) => {
                        prop_assert!(!is_running, "two runs at a time");
                        is_running = true;
                        let is_seen = |path: &String| match &scope {
                            Scope::All => true,
                            Scope::Failed => false,
                            Scope::Affected(paths) => paths.contains(path),
                        };
                        let seen: Vec<String> = open.keys().filter(|path| is_seen(path)).cloned().collect();
                        for path in seen {
                            let content = open.remove(&path).flatten();
                            tested.insert(path, content);
                        }
                    }
                    Action::Show(Screen::Ready) => prop_assert!(open.is_empty(), "{open:?} wait for ever"),
                    Action::Stop | Action::Kill => prop_assert!(is_running),
                    Action::Quit => is_over = true,
                    Action::Show(_) => {}
                }
            }
        }
    }
}

use super::*;

const LAYOUT: &str = "\
title = \"Sky\"
description = \"All of it.\"
filters = [{ name = \"country\", title = \"Country\", type = \"text\", values = \"sky/list.country\" }]

[[cards]]
question = \"list\"
at = [0, 0]
size = [12, 8]
click = { set = { country = \"country\" }, column = \"country\" }

[[cards]]
question = \"one\"
at = [12, 0]
size = [12, 8]
settings = { \"graph.metrics\" = [\"aircraft\"] }
";

const LIST: &str = "\
-- title = \"Countries\"
-- description = \"Each with its aircraft.\"
-- display = \"table\"
-- columns = { country = \"Country\" }
select origin_country as country from country_stats
";

const ONE: &str = "\
-- title = \"One\"
-- description = \"One of them.\"
-- display = \"bar\"
-- columns = { aircraft = \"Aircraft\" }
-- parameters = { country = { title = \"Country\", type = \"text\" } }
select unique_aircraft as aircraft from country_stats where true [[and origin_country = {{country}}]]
";

fn read(change: impl Fn(&str) -> String) -> Result<Library, String> {
    let files = [
        ("sky/dashboard.toml", LAYOUT),
        ("sky/list.sql", LIST),
        ("sky/one.sql", ONE),
    ];
    let files = files.map(|(path, text)| (PathBuf::from(path), change(text)));
    Library::read(files.to_vec()).map_err(|wrong| wrong.to_string())
}

#[test]
fn what_the_program_carries_has_no_mistake() {
    let library = Library::embedded().unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(library.dashboards.len() >= 5);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("content");
    assert_eq!(Library::in_folder(&folder).unwrap(), library);
}

#[test]
fn a_card_finds_its_question() {
    let library = read(str::to_owned).unwrap();
    let sky = &library.dashboards["sky"];
    let found: Vec<_> = sky
        .layout
        .cards
        .iter()
        .map(|card| library.question_of(sky, card).unwrap().id.as_str())
        .collect();
    assert_eq!(found, ["sky/list", "sky/one"]);
    assert_eq!(library.title_of("sky"), "Sky");
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_file() {
    for (from, to, said) in [
        (
            "question = \"one\"",
            "question = \"ones\"",
            "sky/dashboard.toml: there is no question \"sky/ones\" (sky/ones.sql); did you mean \"sky/one\"?",
        ),
        (
            "set = { country = \"country\" }",
            "set = { countries = \"country\" }",
            "is to set the filter \"countries\", which \"sky\" does not have",
        ),
        (
            "set = { country = \"country\" }",
            "set = { country = \"land\" }",
            "is to take the column \"land\", which it does not have",
        ),
        (
            "click = { set",
            "click = { dashboard = \"ski\", set",
            "is to open the dashboard \"ski\", which does not exist",
        ),
        (
            "[\"aircraft\"]",
            "[\"planes\"]",
            "the setting \"graph.metrics\" names the column \"planes\", which \"sky/one\" does not have",
        ),
        (
            "sky/list.country",
            "sky/list.countr",
            "has none of that name; did you mean \"country\"?",
        ),
        (
            "sky/list.country",
            "sky/lists.country",
            "\"sky/lists\", which does not exist; did you mean \"sky/list\"?",
        ),
        (
            "name = \"country\"",
            "name = \"region\"",
            "the filter \"region\" does nothing",
        ),
        (
            "title = \"Country\", type = \"text\" }",
            "title = \"Country\", type = \"text\", values = \"sky/one.aircraft\" }",
            "sky/one.sql: its values come from a question whose values come from this one",
        ),
        (
            "\"One\"",
            "\"Countries\"",
            "sky/one.sql: the title \"Countries\" is that of sky/list.sql too",
        ),
        (
            "-- display = \"table\"",
            "-- display = \"table\"\n-- model = true",
            "sky/list.sql: what lies in models/, and only that, has model = true",
        ),
    ] {
        let error = read(|text| text.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(said), "{said} is not in {error}");
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let error = read(|text| text.replacen("title = ", "titel = ", 1)).unwrap_err();
    for file in ["sky/dashboard.toml:1:", "sky/list.sql:1:", "sky/one.sql:1:"] {
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn a_file_that_lies_nowhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Library::in_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("there are no questions and dashboards in it"));
    for name in [
        "loose.sql",
        "sky/Big.sql",
        "sky/deep/er.sql",
        "sky/notes.txt",
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, LIST).unwrap();
        let error = Library::in_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("content is FOLDER/NAME.sql"), "{error}");
        fs::remove_file(path).unwrap();
    }
    let error = Library::in_folder(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

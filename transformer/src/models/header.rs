//! A model's file, parsed: its header, then its sections. What stands behind a key: `values`.

mod values;

use super::files::ModelFile;
use super::model::{HeaderLine, Kind, Layer, Model, Publish, Refresh};
use crate::Error;
use values::is_name;

/// Parses a file. What its SQL reads is found later, when all models are known.
pub(super) fn parse(file: &ModelFile) -> Result<Model, Error> {
    let mut model = empty(file);
    let mut header = Header::default();
    let mut section: Option<&'static str> = None;
    for (number, line) in (1..).zip(file.text.lines()) {
        let wrong = |reason: String| refused(&model.name, &file.origin, number, reason);
        if let Some(opened) = line.strip_prefix("-- @") {
            let name = section_name(opened.trim()).map_err(wrong)?;
            if model.lines.iter().any(|(known, _)| *known == name) {
                return Err(wrong(format!("there are two sections @{name}")));
            }
            model.lines.push((name, number + 1));
            section = Some(name);
        } else if let Some(section) = section {
            let text = text_of(&mut model, section);
            text.push_str(line);
            text.push('\n');
        } else if let Some(comment) = line.strip_prefix("--") {
            header
                .line(comment, number, &mut model)
                .map_err(|reason| refused(&file.name, &file.origin, number, reason))?;
        } else if !line.trim().is_empty() {
            return Err(wrong(format!("{line:?} is in no section")));
        }
    }
    check(&model, &header)
        .map_err(|(line, reason)| refused(&model.name, &file.origin, line, reason))?;
    Ok(model)
}

fn empty(file: &ModelFile) -> Model {
    Model {
        name: file.name.clone(),
        layer: file.layer,
        mart: file.layer == Layer::Marts,
        origin: file.origin.clone(),
        description: String::new(),
        grain: Vec::new(),
        kind: Kind::Full,
        refresh: Refresh::Full,
        publish: Publish::Always,
        settles_backlog: false,
        in_memory: false,
        daily: Vec::new(),
        columns: Vec::new(),
        audits: Vec::new(),
        depends: Vec::new(),
        sources: Vec::new(),
        tables: Vec::new(),
        state: String::new(),
        merge: String::new(),
        forget: String::new(),
        settle: String::new(),
        parts: String::new(),
        select: String::new(),
        lines: Vec::new(),
    }
}

/// The error for a line of a model's file.
pub(super) fn refused(model: &str, origin: &str, line: usize, reason: String) -> Error {
    Error::Model {
        model: model.to_owned(),
        reason: format!("{reason} ({origin}, line {line})"),
    }
}

/// Keys that stood in the header, with their lines, and which one goes on.
#[derive(Default)]
struct Header {
    keys: Vec<(&'static str, usize)>,
}

const KEYS: [&str; 11] = [
    "description",
    "grain",
    "kind",
    "refresh",
    "publish",
    "backlog",
    "home",
    "daily",
    "columns",
    "audits",
    "source",
];

impl Header {
    /// Reads one line, without its comment sign.
    fn line(&mut self, comment: &str, number: usize, model: &mut Model) -> Result<(), String> {
        let last = self.keys.last().map_or("", |(key, _)| *key);
        if comment.trim().is_empty() {
            return Ok(());
        }
        if let Some(indented) = comment.strip_prefix("   ") {
            return continued(last, indented, number, model);
        }
        let (key, value) = comment
            .split_once(':')
            .ok_or_else(|| format!("cannot read the header line \"--{comment}\""))?;
        let (key, value) = (key.trim(), value.trim());
        if key == "depends" {
            return Err(
                "depends is not written any more: it is read from the SQL; remove the line".into(),
            );
        }
        let known = KEYS.into_iter().find(|known| *known == key);
        let key = known.ok_or_else(|| {
            let nearest = super::nearest(key, KEYS.into_iter());
            let hint = nearest.map_or(String::new(), |near| format!("; did you mean {near}?"));
            format!("no header key is called {key:?}{hint}")
        })?;
        if self.line_of(key).is_some() {
            return Err(format!("the header says {key} twice"));
        }
        self.keys.push((key, number));
        set(key, value, model)
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        let found = self.keys.iter().find(|(known, _)| *known == key);
        found.map(|(_, line)| *line)
    }
}

fn set(key: &str, value: &str, model: &mut Model) -> Result<(), String> {
    match key {
        "description" => model.description = value.to_owned(),
        "grain" => model.grain = values::grain(value)?,
        "kind" => model.kind = values::kind(value)?,
        "refresh" => model.refresh = values::refresh(value)?,
        "publish" => model.publish = values::publish(value)?,
        "backlog" => model.settles_backlog = values::settles_backlog(value)?,
        "home" => model.in_memory = values::in_memory(value)?,
        "daily" => model.daily = values::daily(value)?,
        "source" => {
            model.sources = value
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect()
        }
        _ if value.is_empty() => {}
        _ => {
            return Err(format!(
                "what belongs to {key} stands in indented lines below it"
            ));
        }
    }
    Ok(())
}

/// Reads an indented line, which belongs to the key before.
fn continued(key: &str, line: &str, number: usize, model: &mut Model) -> Result<(), String> {
    let text = line.trim();
    // Indented further than its key's own lines: it goes on with the line before.
    let further = line.starts_with("  ");
    match key {
        "description" => join(&mut model.description, text),
        "columns" if further && !model.columns.is_empty() => {
            if let Some((_, meaning)) = model.columns.last_mut() {
                join(meaning, text);
            }
        }
        "columns" => {
            let (name, meaning) = column_of(text)
                .ok_or_else(|| format!("{text:?} is not of the form \"column: what it means\""))?;
            if model.columns.iter().any(|(known, _)| known == name) {
                return Err(format!("column {name} is described twice"));
            }
            model.columns.push((name.to_owned(), meaning.to_owned()));
        }
        "audits" if further && !model.audits.is_empty() => {
            if let Some(audit) = model.audits.last_mut() {
                join(&mut audit.text, text);
            }
        }
        "audits" => model.audits.push(HeaderLine {
            text: text.to_owned(),
            line: number,
        }),
        _ => return Err(format!("{text:?} belongs to no key")),
    }
    Ok(())
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

/// What the parts of a file say together: the line and reason of what does not fit.
fn check(model: &Model, header: &Header) -> Result<(), (usize, String)> {
    let line = |key| header.line_of(key).unwrap_or(1);
    for key in ["description", "grain", "kind", "refresh"] {
        if header.line_of(key).is_none() {
            return Err((1, format!("the header has no {key}")));
        }
    }
    if model.description.is_empty() {
        return Err((line("description"), "the description is empty".into()));
    }
    let (kind, refresh) = (model.kind, model.refresh);
    let fits = match kind {
        Kind::Full => refresh == Refresh::Full,
        Kind::Table | Kind::Native => refresh == Refresh::Incremental,
        Kind::Incremental => refresh != Refresh::Full,
        // A view for readers is computed whole whenever it is read.
        Kind::View if model.mart => refresh == Refresh::Full,
        Kind::View => refresh == Refresh::Incremental,
    };
    if !fits {
        let reason = format!("a model of kind {kind} is not refreshed as \"{refresh}\"");
        return Err((line("refresh"), reason));
    }
    let (has_select, has_source) = (
        !model.select.trim().is_empty(),
        header.line_of("source").is_some(),
    );
    if has_source != (kind == Kind::Native) {
        let reason = match has_source {
            true => "only a native table names its source: other models' SQL is read",
            false => "a native table has to name its source: there is no SQL to read it from",
        };
        return Err((line("source"), reason.into()));
    }
    if has_select && kind == Kind::Native {
        return Err((line("kind"), "a native table has no @select".into()));
    }
    let needs_select = model.mart || matches!(kind, Kind::Table | Kind::View);
    if !has_select && needs_select && kind != Kind::Native {
        return Err((
            line("kind"),
            format!("a model of kind {kind} needs a @select"),
        ));
    }
    if model.in_memory {
        let of_kind = matches!(kind, Kind::Table | Kind::Native) && !model.mart;
        let others = [&model.merge, &model.forget, &model.settle, &model.parts];
        let has_others = others.iter().any(|text| !text.trim().is_empty());
        let has_state = !model.state.trim().is_empty();
        if !of_kind || has_others || has_state != (kind == Kind::Native) {
            let reason = "in memory are only tables with a @select, and native tables with a @state, \
                that are no marts and have no other sections: they are made anew";
            return Err((line("home"), reason.into()));
        }
    }
    if model.mart {
        if kind == Kind::Table {
            return Err((line("kind"), format!("a mart is not of kind {kind}")));
        }
        for column in &model.grain {
            if !model.columns.iter().any(|(name, _)| *name == column.name) {
                let reason = format!("{} of the grain is not among the columns", column.name);
                return Err((line("grain"), reason));
            }
        }
    }
    Ok(())
}

fn section_name(name: &str) -> Result<&'static str, String> {
    const SECTIONS: [&str; 6] = ["state", "merge", "forget", "settle", "parts", "select"];
    let known = SECTIONS.into_iter().find(|known| *known == name);
    known.ok_or_else(|| {
        let nearest = super::nearest(name, SECTIONS.into_iter());
        let hint = nearest.map_or(String::new(), |near| format!("; did you mean @{near}?"));
        format!("no section is called @{name}{hint}")
    })
}

fn text_of<'m>(model: &'m mut Model, section: &str) -> &'m mut String {
    match section {
        "state" => &mut model.state,
        "merge" => &mut model.merge,
        "forget" => &mut model.forget,
        "settle" => &mut model.settle,
        "parts" => &mut model.parts,
        _ => &mut model.select,
    }
}

/// `name: meaning` of an indented header line.
fn column_of(line: &str) -> Option<(&str, &str)> {
    let (name, meaning) = line.split_once(": ")?;
    is_name(name).then_some((name, meaning.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(layer: Layer, text: &str) -> Result<Model, Error> {
        parse(&ModelFile {
            name: "m".to_owned(),
            layer,
            origin: "models/m.sql".to_owned(),
            text: text.to_owned(),
        })
    }

    const GOOD: &str = "\
-- description: A thing
--   of two lines.
-- grain: a, b?
-- kind: full
-- refresh: full
-- columns:
--   a: first,
--     in metres
--   b: second
-- audits:
--   block range(a, 0, 1)
--   warn sql too_many:
--     select * from m where a > 9

-- @select
select a, b, from t
";

    #[test]
    fn a_header_is_read_with_what_goes_on_in_further_lines() {
        let model = parsed(Layer::Marts, GOOD).unwrap();
        assert_eq!(model.description, "A thing of two lines.");
        assert_eq!(model.grain_text(), "a, b?");
        assert_eq!(model.columns[0].1, "first, in metres");
        assert_eq!(model.audits.len(), 2);
        assert_eq!(model.audits[0].line, 11);
        assert_eq!(
            model.audits[1].text,
            "warn sql too_many: select * from m where a > 9"
        );
        assert_eq!(model.line_of("select", 0), 16);
        assert_eq!(model.line_of("select", 20), 17);
    }

    #[test]
    fn what_a_header_may_not_say_is_refused() {
        let cases = [
            ("-- grain: a", "-- grian: a", "did you mean grain?"),
            ("-- grain: a, b?", "-- grain: all of it!", "not of the form"),
            (
                "-- grain: a, b?",
                "-- grain: c",
                "c of the grain is not among the columns",
            ),
            ("-- kind: full", "-- kind: cube", "no kind is called"),
            (
                "-- kind: full",
                "-- kind: incremental",
                "not refreshed as \"full\"",
            ),
            ("-- kind: full", "-- kind: table", "not refreshed as"),
            ("-- kind: full", "", "no kind"),
            ("-- refresh: full", "", "no refresh"),
            (
                "-- refresh: full",
                "-- refresh: daily",
                "no refresh is called",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- kind: full",
                "kind twice",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- depends: t",
                "read from the SQL",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- backlog: wait",
                "and not \"wait\"",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- home: disk",
                "and not \"disk\"",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- home: memory",
                "that are no marts and",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- publish: often",
                "not of the form",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- source: t",
                "only a native table",
            ),
            (
                "-- kind: full",
                "-- kind: full\n-- just words",
                "cannot read the header line",
            ),
            ("-- columns:", "-- columns: a, b", "indented lines"),
            (
                "--   b: second",
                "--   b second",
                "not of the form \"column:",
            ),
            ("--   b: second", "--   a: second", "described twice"),
            ("-- @select", "-- @selct", "did you mean @select?"),
            (
                "-- @select",
                "-- @select\n-- @select",
                "two sections @select",
            ),
            (
                "-- @select\nselect a, b, from t",
                "-- @state",
                "needs a @select",
            ),
            ("-- @select", "select", "in no section"),
        ];
        for (part, instead, reason) in cases {
            let text = GOOD.replacen(part, instead, 1);
            let error = parsed(Layer::Marts, &text).unwrap_err().to_string();
            assert!(error.contains(reason), "{instead:?}: {error}");
            assert!(
                error.contains("models/m.sql, line "),
                "{instead:?}: {error}"
            );
        }
    }

    #[test]
    fn a_native_table_names_its_source_and_has_no_select() {
        let text = "-- description: d\n-- grain: a\n-- kind: native\n-- refresh: incremental\n";
        let error = parsed(Layer::Staging, text).unwrap_err().to_string();
        assert!(error.contains("has to name its source"), "{error}");
        let text = format!("{text}-- source: aviation.flight_states\n");
        let model = parsed(Layer::Staging, &text).unwrap();
        assert_eq!(model.sources, ["aviation.flight_states"]);
        assert!(parsed(Layer::Staging, &format!("{text}-- @select\nselect 1\n")).is_err());
    }
}

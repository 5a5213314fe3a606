//! Which model depends on which, as their SQL says.
//!
//! A table that a model makes, in any of its sections, is the model's own; who reads or changes
//! it depends on the model. A table that nobody makes is refused, with the nearest there is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::model::{Kind, Layer, Model};
use super::sources::SOURCES;
use super::sql::{Effects, Name, Parser};
use super::{Models, header, nearest};
use crate::Error;

/// Finds `depends`, `sources` and `tables` of models.
pub(super) fn connect(models: &mut [Model], seeds: &[&str]) -> Result<(), Error> {
    let parser = Parser::new()?;
    let effects: Vec<_> = models
        .iter()
        .map(|model| read(&parser, model))
        .collect::<Result<_, _>>()?;
    let makers = makers(models, &effects)?;
    let in_memory: BTreeMap<String, Kind> = models
        .iter()
        .filter(|model| model.in_memory)
        .map(|model| (model.name.clone(), model.kind))
        .collect();
    let world = World {
        seeds,
        makers: &makers,
        in_memory: &in_memory,
        marts: &models
            .iter()
            .filter(|model| model.mart)
            .map(|model| model.name.clone())
            .collect(),
    };
    for (model, sections) in models.iter_mut().zip(effects) {
        let mut depends = BTreeSet::new();
        let mut sources: BTreeSet<String> = model.sources.drain(..).collect();
        for (section, effects) in &sections {
            for name in effects.reads.iter().chain(&effects.writes) {
                let refuse = |reason| {
                    let line = model.line_of(section, name.position);
                    let reason = format!("@{section} {reason}");
                    header::refused(&model.name, &model.origin, line, reason)
                };
                match world.origin_of(name, model).map_err(refuse)? {
                    Origin::Own => {}
                    Origin::Model(other) => {
                        world
                            .must_be_there(section, name, &other, model)
                            .map_err(refuse)?;
                        depends.insert(other);
                    }
                    Origin::Source(source) => drop(sources.insert(source)),
                }
            }
        }
        let mut tables: BTreeSet<String> = BTreeSet::new();
        tables.extend(
            sections
                .iter()
                .flat_map(|(_, e)| &e.makes)
                .map(|made| made.name.clone()),
        );
        model.tables = tables.into_iter().collect();
        model.depends = depends.into_iter().collect();
        model.sources = sources.into_iter().collect();
    }
    Ok(())
}

type Sections = Vec<(&'static str, Effects)>;

fn read(parser: &Parser, model: &Model) -> Result<Sections, Error> {
    let sections = model.sections().into_iter();
    let sections = sections.filter(|(_, text)| !text.trim().is_empty());
    let read = sections.map(|(name, text)| {
        let effects = parser.effects(text).map_err(|refusal| {
            let line = model.line_of(name, refusal.position);
            let reason = format!("@{name} cannot be read: {}", refusal.reason);
            header::refused(&model.name, &model.origin, line, reason)
        })?;
        Ok((name, effects))
    });
    read.collect()
}

/// Which model makes which table.
fn makers(models: &[Model], effects: &[Sections]) -> Result<BTreeMap<String, String>, Error> {
    let mut makers: BTreeMap<String, String> = BTreeMap::new();
    for (model, sections) in models.iter().zip(effects) {
        let made = sections.iter().flat_map(|(section, effects)| {
            let line = |name: &Name| model.line_of(section, name.position);
            effects
                .makes
                .iter()
                .map(move |name| (name.name.clone(), line(name)))
        });
        let of_select =
            matches!(model.kind, Kind::Table | Kind::View | Kind::Native) && !model.mart;
        let own_name = of_select.then(|| (model.name.clone(), 1));
        for (table, line) in made.chain(own_name) {
            let before = makers.insert(table.clone(), model.name.clone());
            if let Some(other) = before.filter(|other| *other != model.name) {
                let reason = format!("table {table} is made by model {other} already");
                return Err(header::refused(&model.name, &model.origin, line, reason));
            }
        }
    }
    Ok(makers)
}

enum Origin {
    Own,
    Model(String),
    Source(String),
}

/// Everything that SQL may name.
struct World<'a> {
    seeds: &'a [&'a str],
    makers: &'a BTreeMap<String, String>,
    in_memory: &'a BTreeMap<String, Kind>,
    marts: &'a BTreeSet<String>,
}

impl World<'_> {
    /// Where a table comes from that a model names, or why the model may not.
    fn origin_of(&self, name: &Name, reader: &Model) -> Result<Origin, String> {
        let table = name.name.as_str();
        // What readers run sees what readers see, and nothing of the private database.
        let for_readers = reader.mart && reader.kind == Kind::View;
        if self.seeds.contains(&table) {
            return Ok(Origin::Source(table.to_owned()));
        }
        let source = SOURCES.iter().find(|source| source.name == table);
        if let Some(source) = source.filter(|source| source.for_readers == for_readers) {
            return Ok(Origin::Source(source.origin.to_owned()));
        }
        if for_readers {
            return match self.marts.contains(table) && table != reader.name {
                true => Ok(Origin::Model(table.to_owned())),
                false => Err(self.unknown(table, for_readers)),
            };
        }
        match self.makers.get(table) {
            Some(maker) if *maker == reader.name => Ok(Origin::Own),
            Some(maker) => Ok(Origin::Model(maker.clone())),
            None if self.marts.contains(table) => Err(format!(
                "reads {table}, a mart, which only readers see: read the tables it is made of"
            )),
            None => Err(self.unknown(table, for_readers)),
        }
    }

    /// What is in memory is made while other models merge, from nothing but seeds and what is in
    /// memory too.
    fn must_be_there(
        &self,
        section: &str,
        name: &Name,
        maker: &str,
        reader: &Model,
    ) -> Result<(), String> {
        let table = &name.name;
        let later = match section {
            "select" | "parts" => reader.mart,
            "settle" => !reader.settles_backlog,
            _ => false,
        };
        match (reader.in_memory, self.in_memory.get(maker)) {
            (false, Some(Kind::Native)) => Err(format!(
                "reads {table}, which only models in memory see: read what they make of it"
            )),
            (true, None) => Err(format!(
                "reads {table}, which is not in memory as this model is: others are merged at the same time"
            )),
            (false, Some(_)) if !later => Err(format!(
                "reads {table}, which is made at the same time, in memory: \
                read it in the @select, @parts or @settle of a mart"
            )),
            _ => Ok(()),
        }
    }

    fn unknown(&self, table: &str, for_readers: bool) -> String {
        let sources = SOURCES
            .iter()
            .filter(|source| source.for_readers == for_readers);
        let known = sources
            .map(|source| source.name)
            .chain(self.seeds.iter().copied());
        let known: Vec<&str> = match for_readers {
            true => known.chain(self.marts.iter().map(String::as_str)).collect(),
            false => known
                .chain(self.makers.keys().map(String::as_str))
                .collect(),
        };
        let seen = match (for_readers, self.makers.contains_key(table)) {
            (true, true) => "which a view for readers does not see",
            _ => "which nobody makes",
        };
        let hint = nearest(table, known.into_iter().filter(|known| *known != table));
        let hint = hint.map_or(String::new(), |near| format!("; did you mean {near}?"));
        format!("names table {table}, {seen}{hint}")
    }
}

/// Sorts models so that each comes after those it depends on, else as they were.
pub(super) fn in_order(mut waiting: Vec<Model>) -> Result<Vec<Model>, Error> {
    let mut done: Vec<Model> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|model| {
            let blocks = |name: &String| waiting.iter().any(|other| other.name == *name);
            !model.depends.iter().any(blocks)
        });
        let Some(ready) = ready else {
            let names: Vec<_> = circle(&waiting);
            let first = waiting.remove(0);
            let reason = format!(
                "models depend on each other in a circle: {}",
                names.join(" → ")
            );
            return Err(header::refused(&first.name, &first.origin, 1, reason));
        };
        done.push(waiting.remove(ready));
    }
    Ok(done)
}

/// A circle among models of which each depends on another.
fn circle(models: &[Model]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let mut next = models.first();
    while let Some(model) = next {
        path.push(model.name.clone());
        if let Some(start) = path[..path.len() - 1]
            .iter()
            .position(|name| *name == model.name)
        {
            return path.split_off(start);
        }
        let waits_for = |other: &&Model| model.depends.contains(&other.name);
        next = models.iter().find(waits_for);
    }
    path
}

/// What a node of the lineage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A table of the lake, or what else comes from outside the models.
    Source,
    /// A file of constants.
    Seed,
    /// A model of the layer.
    Staging,
    /// A model of the layer.
    Intermediate,
    /// A mart.
    Mart,
}

/// Which model reads which, down from the lake's tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// Sources, seeds and models by name.
    pub nodes: BTreeMap<String, NodeKind>,
    /// Pairs: the second reads the first.
    pub edges: BTreeSet<(String, String)>,
}

/// Along which edges a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what is read.
    Up,
    /// To those that read.
    Down,
}

impl Lineage {
    pub(super) fn of(models: &Models) -> Lineage {
        let mut nodes = BTreeMap::new();
        let mut edges = BTreeSet::new();
        for model in models.iter() {
            let kind = match model.layer {
                Layer::Staging => NodeKind::Staging,
                Layer::Intermediate => NodeKind::Intermediate,
                Layer::Marts => NodeKind::Mart,
            };
            nodes.insert(model.name.clone(), kind);
            for source in &model.sources {
                let is_seed = models.files().seeds().any(|(name, _)| name == source);
                let kind = if is_seed {
                    NodeKind::Seed
                } else {
                    NodeKind::Source
                };
                nodes.entry(source.clone()).or_insert(kind);
            }
            for read in model.depends.iter().chain(&model.sources) {
                edges.insert((read.clone(), model.name.clone()));
            }
        }
        Lineage { nodes, edges }
    }

    /// Everything that can be reached from a node, without it.
    pub fn reached(&self, from: &str, direction: Direction) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting = vec![from.to_owned()];
        while let Some(node) = waiting.pop() {
            for next in self.beside(&node, direction) {
                if found.insert(next.to_owned()) {
                    waiting.push(next.to_owned());
                }
            }
        }
        found
    }

    /// The nodes one edge away.
    pub fn beside<'a>(
        &'a self,
        node: &'a str,
        direction: Direction,
    ) -> impl Iterator<Item = &'a str> {
        self.edges
            .iter()
            .filter_map(move |(read, reader)| match direction {
                Direction::Up => (reader == node).then_some(read.as_str()),
                Direction::Down => (read == node).then_some(reader.as_str()),
            })
    }

    /// The part of it that consists of some nodes.
    pub fn only(&self, names: &BTreeSet<String>) -> Lineage {
        let nodes = self.nodes.iter();
        let nodes = nodes.filter(|(name, _)| names.contains(*name));
        let edges = self.edges.iter();
        let edges = edges.filter(|(from, to)| names.contains(from) && names.contains(to));
        Lineage {
            nodes: nodes.map(|(name, kind)| (name.clone(), *kind)).collect(),
            edges: edges.cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::files::{Files, ModelFile};

    /// Models of (layer, name, kind, sections).
    fn models(of: &[(Layer, &str, &str, &str)]) -> Result<Models, Error> {
        let mut files = Files::none();
        files.set_seed("countries", "origin_country,iso_a2,region\n");
        for (layer, name, kind, sections) in of {
            let refresh = match (*kind, *layer) {
                ("full", _) | ("view", Layer::Marts) => "full",
                _ => "incremental",
            };
            let head = "-- description: d\n-- grain: a\n-- columns:\n--   a: a\n";
            files.set_model(ModelFile {
                name: (*name).to_owned(),
                layer: *layer,
                origin: format!("{name}.sql"),
                text: format!("{head}-- kind: {kind}\n-- refresh: {refresh}\n{sections}"),
            });
        }
        Models::of(files)
    }

    const NATIVE: (Layer, &str, &str, &str) = (
        Layer::Staging,
        "new_polls",
        "native",
        "-- source: aviation.flight_states\n\
        -- @state\ncreate temp table if not exists new_polls (a bigint);\n",
    );

    const STATE: (Layer, &str, &str, &str) = (
        Layer::Intermediate,
        "int_polls",
        "incremental",
        "-- @state\ncreate table if not exists polls (a bigint);\n\
        -- @merge\ninsert into polls select a from new_polls;\n",
    );

    fn refusal(further: &[(Layer, &str, &str, &str)]) -> String {
        let all: Vec<_> = [STATE, NATIVE].iter().chain(further).copied().collect();
        models(&all).unwrap_err().to_string()
    }

    #[test]
    fn dependencies_are_what_the_sql_names() {
        let mart =
            "-- @select\nwith polls as (from polls), c as (from countries) select a from polls, c";
        let view = "-- @select\nselect a from kpi join lake.flight_states using (a)";
        let models = models(&[
            (Layer::Marts, "kpi", "full", mart),
            (Layer::Marts, "above", "view", view),
            STATE,
            NATIVE,
        ])
        .unwrap();
        let kpi = models.get("kpi").unwrap();
        assert_eq!(kpi.depends, ["int_polls"]);
        assert_eq!(kpi.sources, ["countries"]);
        assert_eq!(models.get("above").unwrap().depends, ["kpi"]);
        assert_eq!(models.get("int_polls").unwrap().tables, ["polls"]);
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["new_polls", "int_polls", "kpi", "above"]);
        let lineage = models.lineage();
        let up = lineage.reached("above", Direction::Up);
        assert!(up.contains("aviation.flight_states") && up.contains("int_polls"));
        let down = lineage.reached("int_polls", Direction::Down);
        assert_eq!(down, BTreeSet::from(["kpi".to_owned(), "above".to_owned()]));
    }

    #[test]
    fn a_table_that_nobody_makes_is_refused_with_the_nearest() {
        let error = refusal(&[(
            Layer::Marts,
            "kpi",
            "full",
            "-- @select\nselect a\nfrom pols",
        )]);
        let expected = "model kpi: @select names table pols, which nobody makes; did you mean polls? (kpi.sql, line 9)";
        assert_eq!(error, expected);
        let error = refusal(&[(Layer::Marts, "kpi", "full", "-- @select\nselect from")]);
        assert!(
            error.contains("@select cannot be read: ") && error.contains("line 8"),
            "{error}"
        );
    }

    #[test]
    fn private_tables_and_readers_views_are_kept_apart() {
        let error = refusal(&[(
            Layer::Marts,
            "kpi",
            "view",
            "-- @select\nselect a from polls",
        )]);
        assert!(error.contains("a view for readers does not see"), "{error}");
        let error = refusal(&[
            (
                Layer::Marts,
                "kpi",
                "full",
                "-- @select\nselect a from polls",
            ),
            (
                Layer::Marts,
                "other",
                "full",
                "-- @select\nselect a from kpi",
            ),
        ]);
        assert!(error.contains("a mart, which only readers see"), "{error}");
        let error = refusal(&[(
            Layer::Marts,
            "kpi",
            "full",
            "-- @select\nselect a from lake.flight_states",
        )]);
        assert!(
            error.contains("names table lake.flight_states, which nobody makes"),
            "{error}"
        );
    }

    #[test]
    fn what_is_in_memory_is_read_when_it_is_there() {
        let rows = (
            Layer::Staging,
            "new_newest",
            "native",
            "-- home: memory\n-- source: aviation.flight_states\n\
            -- @state\ncreate temp table if not exists new_newest (a bigint);\n",
        );
        let error = refusal(&[
            rows,
            (
                Layer::Marts,
                "kpi",
                "full",
                "-- @select\nselect a from new_newest",
            ),
        ]);
        assert!(error.contains("only models in memory see"), "{error}");
        let newest = (
            Layer::Intermediate,
            "newest",
            "table",
            "-- home: memory\n-- @select\nselect 1 as a",
        );
        let kpi = |sections| (Layer::Marts, "kpi", "incremental", sections);
        let all = [
            STATE,
            NATIVE,
            newest,
            kpi("-- @settle\nselect a from newest;\n-- @select\nselect a from newest"),
        ];
        assert!(models(&all).is_ok());
        for sections in [
            "-- @merge\nselect a from newest;\n-- @select\nselect 1 as a",
            "-- backlog: settle\n-- @settle\nselect a from newest;\n-- @select\nselect 1 as a",
        ] {
            let error = refusal(&[newest, kpi(sections)]);
            assert!(error.contains("which is made at the same time"), "{error}");
        }
        let newest = (
            newest.0,
            newest.1,
            newest.2,
            "-- home: memory\n-- @select\nfrom polls",
        );
        let error = refusal(&[newest]);
        assert!(error.contains("which is not in memory"), "{error}");
    }

    #[test]
    fn a_table_has_one_maker() {
        let again = "-- @state\ncreate table if not exists polls (a bigint);\n-- @select\nselect a from polls";
        let error = refusal(&[(Layer::Marts, "kpi", "incremental", again)]);
        assert!(
            error.contains("table polls is made by model int_polls already"),
            "{error}"
        );
    }

    #[test]
    fn a_circle_is_refused_and_shown() {
        let view = |name, reads: &'static str| (Layer::Intermediate, name, "view", reads);
        let error = refusal(&[
            view("one", "-- @select\nfrom two"),
            view("two", "-- @select\nfrom three"),
            view("three", "-- @select\nfrom two"),
        ]);
        assert!(error.contains("two → three → two"), "{error}");
    }
}

//! The lineage of models, written for people and programs.

use std::fmt::Write;

use serde_json::json;

use crate::models::graph::{Direction, NodeKind};
use crate::models::{Lineage, Models};

const LAYERS: [(NodeKind, &str); 5] = [
    (NodeKind::Source, "sources"),
    (NodeKind::Seed, "seeds"),
    (NodeKind::Staging, "staging"),
    (NodeKind::Intermediate, "intermediate"),
    (NodeKind::Mart, "marts"),
];

/// A selector as `lineage` takes it: a plain name means both directions.
pub fn both_ways(selector: &str) -> String {
    let terms = selector.split(',').map(str::trim).map(|term| {
        match term.starts_with('+') || term.ends_with('+') {
            true => term.to_owned(),
            false => format!("+{term}+"),
        }
    });
    terms.collect::<Vec<_>>().join(",")
}

/// As lines, layer by layer: each model, and what it reads itself.
pub fn text(lineage: &Lineage) -> String {
    let width = lineage.nodes.keys().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (layer, title) in LAYERS {
        let mut names = of_layer(lineage, layer).peekable();
        if names.peek().is_some() {
            let _ = writeln!(text, "{title}");
        }
        for name in names {
            let reads: Vec<_> = lineage.beside(name, Direction::Up).collect();
            let _ = match reads.is_empty() {
                true => writeln!(text, "  {name}"),
                false => writeln!(text, "  {name:width$}  ← {}", reads.join(", ")),
            };
        }
    }
    text
}

/// As a flowchart that GitHub and many editors draw.
pub fn mermaid(lineage: &Lineage) -> String {
    let id = |name: &str| name.replace('.', "_");
    let mut text = "flowchart LR\n".to_owned();
    for (layer, title) in LAYERS {
        let mut names = of_layer(lineage, layer).peekable();
        if names.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "  subgraph {title}");
        for name in names {
            let _ = match layer {
                NodeKind::Source | NodeKind::Seed => writeln!(text, "    {}[({name})]", id(name)),
                _ => writeln!(text, "    {}[{name}]", id(name)),
            };
        }
        let _ = writeln!(text, "  end");
    }
    for (from, to) in &lineage.edges {
        let _ = writeln!(text, "  {} --> {}", id(from), id(to));
    }
    text
}

/// As JSON: `nodes` with what their headers say, and `edges` from what is read to what reads.
pub fn json(lineage: &Lineage, models: &Models) -> String {
    let nodes = lineage.nodes.iter().map(|(name, kind)| {
        let mut node = json!({"name": name, "layer": kind});
        if let Some(model) = models.iter().find(|model| model.name == *name) {
            node["description"] = json!(model.description);
            node["kind"] = json!(model.kind.to_string());
            node["refresh"] = json!(model.refresh.to_string());
            node["file"] = json!(model.origin);
        }
        node
    });
    let edges = lineage.edges.iter();
    let edges = edges.map(|(from, to)| json!({"from": from, "to": to}));
    let whole = json!({
        "nodes": nodes.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn of_layer(lineage: &Lineage, layer: NodeKind) -> impl Iterator<Item = &String> {
    let nodes = lineage.nodes.iter();
    nodes
        .filter(move |(_, kind)| **kind == layer)
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Lineage, Models) {
        let models = Models::embedded().unwrap();
        let names = models.selected(&both_ways("kpi_latest")).unwrap();
        (models.lineage().only(&names), models)
    }

    #[test]
    fn text_has_a_line_for_each_model_with_what_it_reads() {
        let text = text(&sample().0);
        let line = text.lines().find(|line| line.contains("  kpi_latest"));
        assert!(line.unwrap().contains("int_latest_states"), "{text}");
        assert!(
            text.starts_with("sources\n  aviation.flight_states\n"),
            "{text}"
        );
        assert!(!text.contains("current_positions"), "{text}");
    }

    #[test]
    fn mermaid_has_a_node_and_its_edges() {
        let text = mermaid(&sample().0);
        assert!(text.contains("    kpi_latest[kpi_latest]\n"), "{text}");
        assert!(
            text.contains("  int_latest_states --> kpi_latest\n"),
            "{text}"
        );
        assert!(
            text.contains("aviation_flight_states[(aviation.flight_states)]"),
            "{text}"
        );
    }

    #[test]
    fn json_is_whole() {
        let (lineage, models) = sample();
        let found: serde_json::Value = serde_json::from_str(&json(&lineage, &models)).unwrap();
        let nodes = found["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), lineage.nodes.len());
        assert!(
            nodes
                .iter()
                .any(|n| n["name"] == "kpi_latest" && n["refresh"] == "full")
        );
        assert_eq!(
            found["edges"].as_array().unwrap().len(),
            lineage.edges.len()
        );
    }

    #[test]
    fn a_plain_name_means_both_directions() {
        assert_eq!(both_ways("a, +b,c+"), "+a+,+b,c+");
    }
}

//! The content without what somebody has thrown away in Metabase, which is without it too.

use crate::content::{Dashboard, Parameter, Question};
use crate::state::wanted::Ids;
use crate::state::{Key, Kind};

/// A question without the values of what somebody has thrown away: Metabase is without them too.
pub(super) fn question(question: &Question, ids: &Ids) -> Question {
    let mut question = question.clone();
    for parameter in question.header.parameters.values_mut() {
        keep(parameter, ids);
    }
    question
}

/// A dashboard without what somebody has thrown away.
pub(super) fn dashboard(dashboard: &Dashboard, ids: &Ids) -> Dashboard {
    let mut whole = dashboard.clone();
    let there = |kind, id: &str| ids.contains_key(&Key::new(kind, id));
    whole.layout.cards.retain(|card| {
        let question = dashboard.question_of(card);
        question.is_none_or(|id| there(Kind::Question, &id))
    });
    for card in &mut whole.layout.cards {
        card.click.take_if(|click| {
            let target = click.dashboard.as_deref();
            target.is_some_and(|target| !there(Kind::Dashboard, target))
        });
    }
    for filter in &mut whole.layout.filters {
        keep(&mut filter.parameter, ids);
    }
    whole
}

fn keep(parameter: &mut Parameter, ids: &Ids) {
    let source = parameter
        .source()
        .map(|(id, _)| Key::new(Kind::Question, id));
    if source.is_some_and(|key| !ids.contains_key(&key)) {
        parameter.values = None;
    }
}

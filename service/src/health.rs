//! What is up and what is not, as the parts of a service say themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The state of every component of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    components: Arc<Mutex<BTreeMap<&'static str, ComponentStatus>>>,
}

/// One component's way to say how it is. Clones speak for the same component.
#[derive(Debug, Clone)]
pub struct Component {
    name: &'static str,
    health: Health,
}

/// How far a component has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does its work.
    Ready,
    /// It is starting, or waits for something it depends on.
    NotReady,
    /// It has ended for good and the process should be restarted.
    Failed,
}

/// The state of one component and, unless it is ready, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentStatus {
    /// How far it has come.
    pub state: State,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The state of a process: the body of `/healthz` and `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// No component has failed.
    pub alive: bool,
    /// At least one component is known, and all are ready.
    pub ready: bool,
    /// Every component by name.
    pub components: BTreeMap<&'static str, ComponentStatus>,
}

impl Health {
    /// A process of which nothing is known yet: alive, not ready.
    pub fn new() -> Health {
        Health::default()
    }

    /// The component `name`, not ready at first. Asked for again, it keeps its state.
    pub fn component(&self, name: &'static str) -> Component {
        self.lock().entry(name).or_insert_with(|| {
            count_ready(name, State::NotReady);
            ComponentStatus {
                state: State::NotReady,
                reason: Some("starting".into()),
            }
        });
        Component {
            name,
            health: self.clone(),
        }
    }

    /// How everything is now.
    pub fn status(&self) -> Status {
        let components = self.lock().clone();
        let all = |wanted: fn(State) -> bool| components.values().all(|c| wanted(c.state));
        Status {
            alive: all(|state| state != State::Failed),
            ready: !components.is_empty() && all(|state| state == State::Ready),
            components,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, ComponentStatus>> {
        // Nothing can leave the map half-changed, so a panic elsewhere does not spoil it.
        self.components
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// It does its work.
    pub fn ready(&self) {
        self.set(State::Ready, None);
    }

    /// It is starting, or waits for something it depends on.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::NotReady, Some(reason.into()));
    }

    /// It has ended for good: `/healthz` answers 503 and an orchestrator restarts the process.
    pub fn failed(&self, reason: impl Into<String>) {
        self.set(State::Failed, Some(reason.into()));
    }

    fn set(&self, state: State, reason: Option<String>) {
        let status = ComponentStatus {
            state,
            reason: reason.clone(),
        };
        let before = self.health.lock().insert(self.name, status);
        if before.is_some_and(|b| b.state == state) {
            return;
        }
        count_ready(self.name, state);
        let (component, reason) = (self.name, reason.unwrap_or_default());
        match state {
            State::Ready => tracing::info!(component, "ready"),
            State::NotReady => tracing::warn!(component, reason, "not ready"),
            State::Failed => tracing::error!(component, reason, "failed"),
        }
    }
}

/// Shows in the metrics whether the component `name` is ready.
fn count_ready(name: &'static str, state: State) {
    let ready = if state == State::Ready { 1.0 } else { 0.0 };
    ::metrics::gauge!("contrail_component_ready", "component" => name).set(ready);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_components_are() {
        let health = Health::new();
        let seen = || (health.status().alive, health.status().ready);
        assert_eq!(seen(), (true, false));
        let (kafka, lake) = (health.component("kafka"), health.component("lake"));
        kafka.ready();
        assert_eq!(seen(), (true, false));
        lake.ready();
        assert_eq!(seen(), (true, true));
        kafka.not_ready("broker is away");
        assert_eq!(seen(), (true, false));
        lake.failed("disk full");
        assert_eq!(seen(), (false, false));
        lake.ready();
        health.component("kafka").ready();
        assert_eq!(seen(), (true, true));
    }

    #[test]
    fn asking_again_keeps_the_state() {
        let health = Health::new();
        health.component("kafka").ready();
        health.component("kafka");
        assert!(health.status().ready);
    }
}

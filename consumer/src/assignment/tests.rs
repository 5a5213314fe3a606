use super::*;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use service::config::Loader;
use service::health::Health;

use crate::config::{Config, DEFAULTS};
use crate::link;
use crate::position::Positions;

const PATIENCE: Duration = Duration::from_secs(60);

fn consumer(brokers: &str) -> (BaseConsumer<Context>, Receiver<Event>, Health) {
    let loader = DEFAULTS
        .iter()
        .fold(Loader::new(), |l, text| l.defaults(text));
    let config: Config = loader.environment::<&str, &str>([]).load().unwrap();
    let (events, inbox) = link::channel();
    let health = Health::new();
    let context = Context::new(
        events,
        Arc::default(),
        config.consumer,
        health.component("kafka"),
        Shutdown::new(),
    );
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .create_with_context(context)
        .unwrap();
    (consumer, inbox, health)
}

/// The partitions could not be opened, and are to be opened again.
fn expect_waiting(consumer: &BaseConsumer<Context>, health: &Health) {
    let state = consumer.context().state();
    assert!(state.fatal.is_none(), "{:?}", state.fatal);
    assert!(state.reopen_at.is_some() && !state.is_open);
    assert_eq!(state.assigned, [0, 1]);
    assert!(!health.status().ready);
}

#[test]
fn a_kafka_that_does_not_answer_in_a_rebalance_is_asked_again() {
    // Port 9 of this machine: nobody listens.
    let (consumer, _inbox, health) = consumer("127.0.0.1:9");
    let context = Arc::clone(consumer.context());
    context.assign(&consumer, vec![0, 1]);
    expect_waiting(&consumer, &health);
    context.revoke(false);
    assert!(context.state().reopen_at.is_none());
}

#[test]
fn a_topic_that_the_broker_does_not_know_yet_is_waited_for() {
    let brokers = noida::kafka::spawn("127.0.0.1:0").unwrap().to_string();
    let (consumer, inbox, health) = consumer(&brokers);
    let context = Arc::clone(consumer.context());
    context.assign(&consumer, vec![0, 1]);
    expect_waiting(&consumer, &health);

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    let topic = NewTopic::new("flight-states", 2, TopicReplication::Fixed(1));
    let options = AdminOptions::new();
    let made = futures::executor::block_on(admin.create_topics([&topic], &options));
    made.unwrap()[0].as_ref().unwrap();
    let pipeline = std::thread::spawn(move || {
        let mut ids = Vec::new();
        while let Ok(Event::Assigned { stream, reply }) = inbox.recv() {
            ids.push(stream.topic_id);
            reply.send(Positions::new()).unwrap();
        }
        ids
    });
    let deadline = Instant::now() + PATIENCE;
    while !context.state().is_open {
        assert!(Instant::now() < deadline, "{:?}", context.state().fatal);
        context.reopen(&consumer);
        std::thread::sleep(LOOK);
    }
    assert!(health.status().ready);
    assert_eq!(consumer.assignment().unwrap().count(), 2);
    drop((consumer, context));
    let ids = pipeline.join().unwrap();
    assert_eq!(ids.len(), 1);
}

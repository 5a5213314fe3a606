//! Which topic this really is: cluster id and topic id.
//!
//! A name is not enough: offsets of a topic that was deleted and made again start anew.
//! librdkafka knows the ids, the Rust binding has no call for the topic's, so this file
//! calls it directly.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use service::fault::Fault;

use crate::ConsumerError;

/// What stands for the topic id where the broker does not give one.
pub const NO_TOPIC_ID: &str = "-";

/// The all-zero id, which stands for none.
const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Kafka's own spelling of an id. librdkafka uses the other base64 alphabet, whose slash would
/// end a part of the table property that the id becomes a part of.
fn url_safe(base64: &str) -> String {
    base64.replace('+', "-").replace('/', "_")
}

/// The ids of cluster and topic; `None` for the topic while it does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's id.
    pub cluster: String,
    /// The topic's id.
    pub topic_id: Option<String>,
}

/// Asks the cluster; waits no longer than `timeout` for each of two answers.
pub fn identity<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Identity, ConsumerError> {
    let cluster = client
        .fetch_cluster_id(timeout)
        .ok_or_else(|| failure(topic, "Kafka did not answer in time".to_owned()))?;
    let topic_id = topic_id(client, topic, timeout)?;
    Ok(Identity { cluster, topic_id })
}

fn failure(topic: &str, reason: String) -> ConsumerError {
    ConsumerError::Kafka {
        action: format!("cannot ask Kafka for topic {topic}"),
        reason,
        fault: Fault::Dependency,
    }
}

fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, ConsumerError> {
    let name = CString::new(topic).map_err(|_| {
        ConsumerError::Configuration(format!("consumer.topic = {topic:?} holds a zero byte"))
    })?;
    let event = describe(client, &name, timeout)
        .ok_or_else(|| failure(topic, format!("no answer within {} s", timeout.as_secs())))?;
    event.topic_id().map_err(|reason| failure(topic, reason))
}

/// An answer of librdkafka, freed when dropped.
struct Event(NonNull<rd::rd_kafka_event_t>);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours and freed once, here.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// Sends one DescribeTopics request and waits for its answer.
fn describe<C: ClientContext>(client: &Client<C>, name: &CStr, timeout: Duration) -> Option<Event> {
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let native = client.native_ptr();
    // SAFETY: the client outlives this call, `name` outlives the collection, and everything
    // made here is destroyed here, after the answer was polled.
    unsafe {
        let queue = rd::rd_kafka_queue_new(native);
        let options = rd::rd_kafka_AdminOptions_new(
            native,
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let mut error = [0; 256];
        rd::rd_kafka_AdminOptions_set_request_timeout(
            options,
            milliseconds,
            error.as_mut_ptr(),
            error.len(),
        );
        let mut names = [name.as_ptr()];
        let topics = rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        rd::rd_kafka_DescribeTopics(native, topics, options, queue);
        let event = rd::rd_kafka_queue_poll(queue, milliseconds);
        rd::rd_kafka_TopicCollection_destroy(topics);
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_queue_destroy(queue);
        NonNull::new(event).map(Event)
    }
}

impl Event {
    /// The id of the one topic that was asked for; `None` when there is no such topic.
    fn topic_id(&self) -> Result<Option<String>, String> {
        // SAFETY: every pointer read here belongs to the event, which is alive, and is
        // checked for null before it is followed.
        unsafe {
            let event = self.0.as_ptr();
            if rd::rd_kafka_event_error(event)
                != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                return Err(text(rd::rd_kafka_event_error_string(event)));
            }
            let result = rd::rd_kafka_event_DescribeTopics_result(event);
            if result.is_null() {
                return Err("the answer is of another kind".to_owned());
            }
            let mut count = 0;
            let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            if topics.is_null() || count == 0 {
                return Ok(None);
            }
            let topic = *topics;
            let error = rd::rd_kafka_TopicDescription_error(topic);
            if !error.is_null() {
                use rd::rd_kafka_resp_err_t as code;
                return match rd::rd_kafka_error_code(error) {
                    code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Self::id_of(topic)),
                    code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => Ok(None),
                    _ => Err(text(rd::rd_kafka_error_string(error))),
                };
            }
            Ok(Self::id_of(topic))
        }
    }

    /// # Safety
    /// `topic` must be a description that belongs to a living event.
    unsafe fn id_of(topic: *const rd::rd_kafka_TopicDescription_t) -> Option<String> {
        // SAFETY: the caller's promise; the text is copied before anything is freed.
        let id = unsafe {
            let id = rd::rd_kafka_TopicDescription_topic_id(topic);
            if id.is_null() {
                String::new()
            } else {
                url_safe(&text(rd::rd_kafka_Uuid_base64str(id)))
            }
        };
        let known = !id.is_empty() && id != ZERO_ID;
        Some(if known { id } else { NO_TOPIC_ID.to_owned() })
    }
}

/// # Safety
/// `pointer` must be null or point to text that ends with a zero byte.
unsafe fn text(pointer: *const std::ffi::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Positions, Stream};

    #[test]
    fn an_id_of_any_bytes_can_be_part_of_a_property() {
        let stream = Stream {
            cluster: "MkU3OEVBNTctOEUyRi00".to_owned(),
            topic_id: url_safe("a/b+c/LPTg6vFyTxnq3dEQ"),
            group: "group".to_owned(),
        };
        assert_eq!(stream.topic_id, "a_b-c_LPTg6vFyTxnq3dEQ");
        let stored = [(stream.property(3), "7".to_owned())].into();
        assert_eq!(
            stream.positions(&stored).unwrap(),
            Positions::from([(3, 7)])
        );
        assert!(stream.obsolete(&stored).is_empty());
    }
}

//! What is to be sent to a peer and was not sent yet: bounded, and when it is full, the oldest gives way.

use crate::lock::lock;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

/// The bounds of one peer's queue of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages that may wait.
    pub messages_max: usize,
    /// Bytes that may wait.
    pub bytes_max: usize,
}

pub(super) struct Queue {
    limits: QueueLimits,
    waiting: Mutex<Waiting>,
    pushed: Notify,
    dropped: AtomicU64,
    sent: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            waiting: Mutex::default(),
            pushed: Notify::new(),
            dropped: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// Puts a message last. The first ones are dropped until it fits; one that alone is too large is dropped
    /// itself.
    pub(super) fn push(&self, message: Bytes) {
        let mut waiting = lock(&self.waiting);
        waiting.bytes += message.len();
        waiting.messages.push_back(message);
        let mut dropped = 0;
        while waiting.messages.len() > self.limits.messages_max || waiting.bytes > self.limits.bytes_max {
            let Some(oldest) = waiting.messages.pop_front() else { break };
            waiting.bytes -= oldest.len();
            dropped += 1;
        }
        drop(waiting);
        self.dropped.fetch_add(dropped, Relaxed);
        self.pushed.notify_one();
    }

    /// Waits for a message and takes the first. Dropping the future takes none. One task at a time.
    pub(super) async fn pop(&self) -> Bytes {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.pushed.notified().await;
        }
    }

    fn take(&self) -> Option<Bytes> {
        let mut waiting = lock(&self.waiting);
        let message = waiting.messages.pop_front()?;
        waiting.bytes -= message.len();
        Some(message)
    }

    /// Puts a message that was taken and not sent first again, unless newer ones have filled the queue.
    pub(super) fn put_back(&self, message: Bytes) {
        let mut waiting = lock(&self.waiting);
        let fits = waiting.messages.len() < self.limits.messages_max
            && waiting.bytes + message.len() <= self.limits.bytes_max;
        if fits {
            waiting.bytes += message.len();
            waiting.messages.push_front(message);
        } else {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        lock(&self.waiting).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(QueueLimits { messages_max: 3, bytes_max: 10 })
    }

    fn push(queue: &Queue, messages: &[&'static str]) {
        for message in messages {
            queue.push(Bytes::from(*message));
        }
    }

    async fn drained(queue: &Queue) -> Vec<Bytes> {
        let mut messages = Vec::new();
        while queue.waiting_bytes() > 0 {
            messages.push(queue.pop().await);
        }
        messages
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest_and_counts_them() {
        let queue = queue();
        push(&queue, &["a", "b", "c"]);
        assert_eq!(queue.dropped(), 0);
        queue.push(Bytes::from("d"));
        assert_eq!((queue.dropped(), drained(&queue).await), (1, ["b", "c", "d"].map(Bytes::from).to_vec()));
    }

    #[tokio::test]
    async fn bytes_hold_at_their_limit_and_not_one_past_it() {
        let queue = queue();
        queue.push(Bytes::from("a"));
        queue.push(Bytes::from("123456789"));
        assert_eq!((queue.dropped(), queue.waiting_bytes()), (0, 10));
        queue.push(Bytes::from("b"));
        assert_eq!((queue.dropped(), queue.waiting_bytes()), (1, 10));
        queue.push(Bytes::from("12345678901"));
        assert_eq!((queue.dropped(), queue.waiting_bytes()), (4, 0));
    }

    #[tokio::test]
    async fn what_is_put_back_comes_first_unless_newer_ones_fill_the_queue() {
        let queue = queue();
        push(&queue, &["a", "b"]);
        let taken = queue.pop().await;
        queue.put_back(taken.clone());
        assert_eq!(queue.pop().await, "a");
        push(&queue, &["c", "d"]);
        queue.put_back(taken);
        assert_eq!((queue.dropped(), drained(&queue).await), (1, ["b", "c", "d"].map(Bytes::from).to_vec()));
    }
}

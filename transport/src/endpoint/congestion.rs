//! How much may be in flight: CUBIC (RFC 9438), with a floor.
//!
//! Calls are small, and most connections have less to say than their window allows. CUBIC does not let such a window grow
//! (RFC 9002 §7.8), so each lost packet only makes it smaller, down to two datagrams. From there on one more lost packet holds
//! up every call behind it until it is known to be lost: what streams of their own are to prevent. So the window does not become
//! smaller than a new connection's (RFC 9002 §7.2 recommends a floor of two datagrams). Whoever would close a connection and
//! dial again could send as much; on a path that is crowded, each connection keeps at most these ten datagrams a round trip.

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// Makes a controller for each path.
#[derive(Debug, Default)]
pub(super) struct FlooredCubic {
    cubic: Arc<CubicConfig>,
}

impl ControllerFactory for FlooredCubic {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Floored(Arc::clone(&self.cubic).build(now, current_mtu)))
    }
}

/// A controller whose window does not fall below what it began with.
struct Floored(Box<dyn Controller>);

impl Controller for Floored {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.0.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.0.on_end_acks(now, in_flight, app_limited, largest_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent: bool, lost_bytes: u64) {
        self.0.on_congestion_event(now, sent, is_persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.window().max(self.0.initial_window())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self(self.0.clone_box()))
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn losses_leave_a_new_connections_window_and_no_less() {
        let now = Instant::now();
        let mut floored = Arc::new(FlooredCubic::default()).build(now, 1200);
        let mut cubic = Arc::new(CubicConfig::default()).build(now, 1200);
        let first = floored.window();
        for second in 1..20 {
            let at = now + Duration::from_secs(second);
            for controller in [&mut floored, &mut cubic] {
                controller.on_congestion_event(at, at, false, 1200);
            }
        }
        assert_eq!((floored.window(), floored.clone_box().window()), (first, first));
        assert!(cubic.window() < first, "without the floor it is {}", cubic.window());
    }
}

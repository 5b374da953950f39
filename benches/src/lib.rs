//! What benches and the harness share: figures, and the tables that set them against targets and peers.

mod figure;
mod picture;

pub use figure::{Against, Figure, Level, Run, heading, level_heading};
pub use picture::picture;

//! How much a table or a queue holds, and how much it may hold.

/// How much a table or a queue in memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// What is in it.
    pub table: &'static str,
    /// How many of them, or how many bytes where `table` says so.
    pub held: usize,
    /// The most that there may be; `None` if what others send cannot fill it, and no number says how far it goes.
    pub held_max: Option<usize>,
}

impl Size {
    /// A table with a limit.
    #[must_use]
    pub const fn limited(table: &'static str, held: usize, held_max: usize) -> Self {
        Self { table, held, held_max: Some(held_max) }
    }

    /// A table whose limit no number states.
    #[must_use]
    pub const fn unstated(table: &'static str, held: usize) -> Self {
        Self { table, held, held_max: None }
    }
}

//! Names: whose they are, for how long, what was granted below them, and what the zones answer.

pub(super) mod alias;
pub(super) mod grant;
pub(super) mod overdue;
pub(super) mod ownership;
pub(super) mod rent;
pub(super) mod zone;

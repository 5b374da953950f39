//! Caesar, the ledger: stake, fees, rewards. Who may take part, and what it costs.

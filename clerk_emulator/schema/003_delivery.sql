-- No message is given up any more: one that nobody takes stays pending. One that a fault swallowed is dropped.
CREATE TABLE new_messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    user_id TEXT NOT NULL,  -- not a foreign key: the message about a deletion outlives the user
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dropped')),
    attempts INTEGER NOT NULL DEFAULT 0,
    last_response_code INTEGER,  -- null until an endpoint answers
    next_attempt_at INTEGER NOT NULL,  -- in real time, created_at in the emulator's, which can be shifted
    created_at INTEGER NOT NULL,
    is_doubled INTEGER NOT NULL DEFAULT 0  -- 1: the next success counts as unheard, so it is sent once more
) STRICT;
INSERT INTO new_messages (sequence, id, type, subject_id, user_id, body, status, attempts, last_response_code,
                          next_attempt_at, created_at)
    SELECT sequence, id, type, subject_id, user_id, body, iif(status = 'failed', 'pending', status), attempts,
           last_response_code, next_attempt_at, created_at
    FROM messages;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;
CREATE INDEX messages_due ON messages (next_attempt_at, sequence, user_id) WHERE status = 'pending';

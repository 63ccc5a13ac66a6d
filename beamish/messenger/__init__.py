"""The messenger's core: users, conversations and sessions as supervised actors over the journal.

How a message travels. A session hands a numbered command to the conversation. The conversation
decides it against its log, appends, and answers only after the append is on disk. What follows is
an obligation of its stream, pending until settled: it tells every member "this conversation has
reached n" until the member's user actor holds n. A user actor that is told so reads what it lacks,
applies the membership rule, appends the visible ranges to its inbox and answers the number that
it then holds. Sessions are told of new inbox records by hints; whatever a hint misses, a session
pulls from the journal.

Three rules carry all of it:

* **Levels, not edges.** No notice carries truth; it says how far a log has come, so losing,
  repeating, reordering or merging notices is harmless.
* **Storage is the truth.** State in memory changes only after a commit, and is rebuilt from the
  journal by every new activation. One append is in flight per activation; what arrives meanwhile
  goes into the next.
* **Commands are idempotent for ever.** A command carries `(device, number, tag)` and is recognised
  after any failover before anything else about it is checked.

Streams: `u/<user>` is a user's inbox, `c/<conversation>` a conversation's log and
`c/<conversation>#marks` the delivery and read levels of a group's members.

Where things are: `conversations`, `users` and `sessions` each hold one kind of actor and its parts,
`streams` how they read and write the journal, `accounts` what stands behind a login. What stands
here is what all of them share: the messages between them, the services of a node, ids, settings.
"""

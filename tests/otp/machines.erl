%% Runs the state machines of machines.py on OTP's gen_statem: one program per line of standard
%% input, as an Erlang term, and writes what was handled in which state as one line of JSON.
%%
%% A program is {First, Table, Enter, Bursts}: what to do for [State, Event, Actions], what to do on
%% entering a state, and the events that are sent at once while the machine is suspended.
-module(machines).
-behaviour(gen_statem).
-export([main/0, init/1, callback_mode/0, handle_event/4]).

-define(MAX_HANDLED, 60).
-define(LONG, 3600000).

main() ->
    logger:set_primary_config(level, none),
    loop().

loop() ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Program} = erl_parse:parse_term(Tokens),
            io:format("~s~n", [json(run(Program))]),
            loop()
    end.

run({First, Table, Enter, Bursts}) ->
    Rules = maps:from_list([{{State, Event}, Actions} || {State, Event, Actions} <- Table]),
    {ok, Pid} = gen_statem:start_link(?MODULE, {First, Rules, maps:from_list(Enter)}, []),
    Traces = [burst(Pid, Burst) || Burst <- Bursts],
    gen_statem:stop(Pid),
    Traces.

burst(Pid, Burst) ->
    sys:suspend(Pid),
    [send(Pid, Event) || Event <- Burst],
    sys:resume(Pid),
    {State, {_, _, Seen, _}} = sys:get_state(Pid),
    Replies = replies([]),
    [State, lists:reverse(Seen), Replies].

%% A call is made as gen_statem makes it, without waiting.
send(Pid, {call, Event}) -> Pid ! {'$gen_call', {self(), Event}, Event};
send(Pid, Event) -> gen_statem:cast(Pid, Event).

replies(Got) ->
    receive {Event, State} -> replies([[Event, State] | Got]) after 0 -> lists:reverse(Got) end.

%% -- the machine -------------------------------------------------------------------------------

callback_mode() -> [handle_event_function, state_enter].

%% Data: rules, rules of entering, what was handled (newest first), how much.
init({First, {Rules, Enter}}) -> {ok, First, {Rules, Enter, [], 0}};
init({First, Rules, Enter}) -> init({First, {Rules, Enter}}).

handle_event(enter, Old, State, {Rules, Enter, Seen, Count}) ->
    Data = {Rules, Enter, [[enter, Old, State] | Seen], Count + 1},
    case Count < ?MAX_HANDLED of
        true -> entered(maps:get(State, Enter, []), Data);
        false -> {keep_state, Data}
    end;
handle_event(Type, Event, State, {Rules, Enter, Seen, Count}) ->
    Data = {Rules, Enter, [[State, Event] | Seen], Count + 1},
    case Count < ?MAX_HANDLED of
        true -> act(maps:get({State, Event}, Rules, []), Type, State, Data);
        false -> {keep_state, Data, reply([], Type, State)}
    end.

entered(Actions, Data) ->
    Timeouts = [action(Action) || Action <- Actions, Action =/= repeat],
    case lists:member(repeat, Actions) of
        true -> {repeat_state, Data, Timeouts};
        false -> {keep_state, Data, Timeouts}
    end.

act(Actions, Type, State, Data) ->
    Listed = reply(Actions, Type, State) ++
        [action(Action) || Action <- Actions, Action =/= repeat, not is_next(Action)],
    case {[Next || {next, Next} <- Actions], lists:member(repeat, Actions)} of
        {[], true} -> {repeat_state, Data, Listed};
        {[], false} -> {keep_state, Data, Listed};
        {Nexts, _} -> {next_state, lists:last(Nexts), Data, Listed}
    end.

is_next({next, _}) -> true;
is_next(_) -> false.

reply(Actions, {call, From}, State) ->
    case lists:member(postpone, Actions) of
        true -> [];
        false -> [{reply, From, State}]
    end;
reply(_, _, _) -> [].

action(postpone) -> postpone;
action({insert, Event}) -> {next_event, internal, Event};
action({zero, Kind, Event}) -> {kind(Kind), 0, Event};
action({long, Kind, Event}) -> {kind(Kind), ?LONG, Event};
action({cancel, Kind}) -> {kind(Kind), infinity, none};
action({update, Kind, Event}) -> {kind(Kind), update, Event}.

kind(state) -> state_timeout;
kind(event) -> timeout;
kind(Name) -> {timeout, Name}.

json(List) when is_list(List) -> ["[", lists:join(",", [json(Item) || Item <- List]), "]"];
json(Atom) when is_atom(Atom) -> ["\"", atom_to_list(Atom), "\""].

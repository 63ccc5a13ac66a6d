%% Runs the programs of programs.py on OTP: one per line of standard input, as an Erlang term, and
%% writes what was seen after each step as one line of JSON.
%%
%% A process is a gen_server, started and linked by the driver (which traps exits and so stands for
%% the system) or by another process. A step is cast to it; the next one begins when all is quiet.
-module(programs).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

main() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    loop().

loop() ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, {Count, Steps}} = erl_parse:parse_term(Tokens),
            io:format("~s~n", [json(run(Count, Steps))]),
            loop()
    end.

run(Count, Steps) ->
    ets:new(seen, [named_table, public, ordered_set]),
    ets:new(procs, [named_table, public, ordered_set]),
    [begin {ok, _} = gen_server:start_link(?MODULE, Index, []), watch(Index) end
     || Index <- lists:seq(0, Count - 1)],
    Result = [step(Step) || Step <- Steps],
    [begin unlink(Pid), exit(Pid, kill) end || {_, Pid} <- ets:tab2list(procs)],
    settle([], 0),
    ets:delete(seen), ets:delete(procs), erase(),
    flush(),
    Result.

watch(Index) ->
    [{_, Pid}] = ets:lookup(procs, Index),
    put(monitor(process, Pid), Index).

step(Step) ->
    case lists:all(fun(Index) -> ets:member(procs, Index) end, named(Step)) of
        true -> gen_server:cast(pid(hd(named(Step))), Step);
        false -> ok
    end,
    settle([], 0),
    case Step of
        {spawn, Child, _} -> [watch(Child) || ets:member(procs, Child)];
        _ -> ok
    end,
    observe().

%% The processes that a step needs, who does it first.
named({spawn, _, Who}) -> [Who];
named({Call, Who, Other, Step}) when Call =:= call; Call =:= must_call ->
    [Who, Other | named(Step)];
named(Step) when element(1, Step) =:= trap; element(1, Step) =:= stop;
                 element(1, Step) =:= demonitor -> [element(2, Step)];
named(Step) -> [element(2, Step), element(3, Step)].

%% Quiet: nothing has changed while everybody has answered five times.
settle(_, 5) -> ok;
settle(Before, Times) ->
    [catch gen_server:call(Pid, ping) || {_, Pid} <- ets:tab2list(procs)],
    Now = {ets:info(seen, size), [is_process_alive(Pid) || {_, Pid} <- ets:tab2list(procs)]},
    case Now of
        Before -> settle(Now, Times + 1);
        _ -> settle(Now, 0)
    end.

observe() ->
    downs(),
    States = [[Index, reason_of(Index)] || {Index, _} <- ets:tab2list(procs)],
    Seen = lists:sort([Entry || {_, Entry} <- ets:tab2list(seen)]),
    ets:delete_all_objects(seen),
    [States, Seen].

downs() ->
    receive
        {'DOWN', Monitor, process, _, Reason} -> put({reason, get(Monitor)}, Reason), downs();
        {'EXIT', _, _} -> downs()
    after 0 -> ok
    end.

flush() -> receive _ -> flush() after 0 -> ok end.

reason_of(Index) ->
    case get({reason, Index}) of
        undefined -> alive;
        Reason -> name(Reason)
    end.

%% -- one process -------------------------------------------------------------------------------

init(Index) ->
    ets:insert(procs, {Index, self()}),
    {ok, {Index, #{}}}.

handle_call(ping, _, State) -> {reply, ok, State};
handle_call({act, Step}, _, State) -> act(Step, State), {reply, ok, State}.

handle_cast(Step, {Index, Monitors} = State) ->
    case act(Step, State) of
        {monitor, Number, Reference} -> {noreply, {Index, Monitors#{Number => Reference}}};
        _ -> {noreply, State}
    end.

handle_info({'EXIT', From, Reason}, State) ->
    note(State, [exit, index(From), name(Reason)]), {noreply, State};
handle_info({'DOWN', Reference, process, _, Reason}, {_, Monitors} = State) ->
    [Number] = [N || {N, R} <- maps:to_list(Monitors), R =:= Reference],
    note(State, [down, Number, name(Reason)]), {noreply, State}.

terminate(Reason, State) -> note(State, [terminate, name(Reason)]).

act({spawn, Child, _}, _) -> {ok, _} = gen_server:start_link(?MODULE, Child, []);
act({trap, _, Flag}, _) -> process_flag(trap_exit, Flag);
%% Ours never raises here: the noproc of a dead process is a signal in every case.
act({link, _, Other}, _) ->
    try link(pid(Other)) catch error:noproc -> exit(self(), noproc) end;
act({unlink, _, Other}, _) -> unlink(pid(Other));
act({monitor, _, Other, Number}, _) -> {monitor, Number, monitor(process, pid(Other))};
act({demonitor, _, Number}, {_, Monitors}) ->
    case Monitors of
        #{Number := Reference} -> demonitor(Reference, [flush]);
        _ -> ok
    end;
act({exit, _, Other, Reason}, _) -> exit(pid(Other), reason(Reason));
act({kill, _, Other}, _) -> exit(pid(Other), kill);
act({stop, _, crash}, _) -> error(crash);
act({stop, _, Reason}, _) -> exit(reason(Reason));
act({call, _, Other, Step}, State) ->
    Answer = try gen_server:call(pid(Other), {act, Step}) of ok -> ok
             catch exit:{calling_self, _} -> cycle;
                   exit:{Reason, _} -> name(Reason)
             end,
    note(State, [call, Other, Answer]);
act({must_call, _, Other, Step}, _) ->
    try gen_server:call(pid(Other), {act, Step})
    catch exit:Reason -> error(Reason)  % ours: the error of the call is a crash, whatever its cause
    end.

note({Index, _}, Entry) ->
    ets:insert(seen, {erlang:unique_integer([monotonic]), [Index | Entry]}).

pid(Index) -> [{_, Pid}] = ets:lookup(procs, Index), Pid.
index(Pid) -> hd([Index || {Index, P} <- ets:tab2list(procs), P =:= Pid]).

reason(shutdown_t) -> {shutdown, t};
reason(Reason) -> Reason.

name({shutdown, t}) -> shutdown_t;
name(Reason) when is_atom(Reason) -> Reason;
name(_) -> crash.

json(List) when is_list(List) -> ["[", lists:join(",", [json(Item) || Item <- List]), "]"];
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Atom) -> ["\"", atom_to_list(Atom), "\""].

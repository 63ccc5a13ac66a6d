%% Runs the programs of trees.py on OTP: one per line of standard input, as an Erlang term, and
%% writes what was seen after each step as one line of JSON.
-module(trees).
-behaviour(gen_server).
-export([main/0, start_child/1, init/1, handle_call/3, handle_cast/2, terminate/2]).

main() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
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

run({Strategy, Intensity, Auto, Children, Steps}) ->
    ets:new(log, [named_table, public, ordered_set]),
    ets:new(pids, [named_table, public]),
    ets:new(broken, [named_table, public]),
    Flags = #{strategy => Strategy, intensity => Intensity, period => 1000, auto_shutdown => Auto},
    Specs = [spec(Strategy, Child) || Child <- Children],
    {ok, Top} = supervisor:start_link(?MODULE, {top, Flags, Specs}),
    put(is_dynamic, Strategy =:= simple_one_for_one),
    ets:delete_all_objects(log),
    Result = [observe(Top, step(Top, Step)) || Step <- Steps],
    exit(Top, shutdown),
    receive {'EXIT', Top, _} -> ok end,
    ets:delete(log), ets:delete(pids), ets:delete(broken), erase(),
    Result.

spec(simple_one_for_one, {Id, Restart, Significant}) ->
    #{id => Id, start => {?MODULE, start_child, []}, restart => Restart,
      significant => Significant};
spec(_, {Id, Restart, Significant}) ->
    #{id => Id, start => {?MODULE, start_child, [Id]}, restart => Restart,
      significant => Significant}.

step(_, {finish, Id, Reason}) ->
    case ets:lookup(pids, Id) of
        [{_, Pid}] when Reason =:= killed -> exit(Pid, kill), ok;
        [{_, Pid}] -> gen_server:cast(Pid, Reason), ok;
        [] -> unknown
    end;
step(_, {break, Id, Times}) -> ets:insert(broken, {Id, Times}), ok;
step(Top, {start, Id}) ->
    case alive(Id) of
        true -> alive;
        false -> ask(supervisor, start_child, [Top, [Id]])
    end;
step(Top, {terminate, Id}) ->
    case {get(is_dynamic), ets:lookup(pids, Id)} of
        {false, _} -> ask(supervisor, terminate_child, [Top, Id]);
        {true, []} -> unknown;
        {true, [{_, Pid}]} ->
            %% OTP answers ok for a dead pid, we say that there is no such child, as Elixir.
            case is_process_alive(Pid) of
                true -> ask(supervisor, terminate_child, [Top, Pid]);
                false -> dead
            end
    end;
step(Top, {restart, Id}) -> ask(supervisor, restart_child, [Top, Id]);
step(Top, {delete, Id}) -> ask(supervisor, delete_child, [Top, Id]).

ask(Module, Function, Arguments) ->
    try apply(Module, Function, Arguments) of
        ok -> ok;
        {ok, _} -> ok;
        {error, broken} -> failed;
        {error, Reason} -> Reason
    catch exit:_ -> gone
    end.

observe(Top, Answer) ->
    settle(Top, [], 0),
    Seen = [Entry || {_, Entry} <- ets:tab2list(log)],
    ets:delete_all_objects(log),
    State = receive {'EXIT', Top, Reason} -> self() ! {'EXIT', Top, Reason}, [Reason]
            after 0 -> lists:sort([[name(Id, Pid), state(Pid)] || {Id, Pid, _, _} <- children(Top)])
            end,
    [Answer, Seen, State].

children(Top) -> supervisor:which_children(Top).

%% A dynamic child has no id.
name(undefined, Pid) -> [[Id]] = ets:match(pids, {'$1', Pid}), Id;
name(Id, _) -> Id.

alive(Id) ->
    case ets:lookup(pids, Id) of
        [{_, Pid}] -> is_process_alive(Pid);
        [] -> false
    end.

state(undefined) -> ended;
state(restarting) -> restarting;
state(_) -> running.

%% Quiet: nothing has changed while the supervisor and its children have answered five times.
settle(_, _, 5) -> ok;
settle(Top, Before, Times) ->
    [catch gen_server:call(Pid, ping) || {_, Pid} <- ets:tab2list(pids)],
    Now = {ets:info(log, size), catch children(Top)},
    case Now of
        Before -> settle(Top, Now, Times + 1);
        _ -> settle(Top, Now, 0)
    end.

start_child(Id) -> gen_server:start_link(?MODULE, Id, []).

init({top, Flags, Children}) -> {ok, {Flags, Children}};
init(Id) ->
    process_flag(trap_exit, true),
    case ets:lookup(broken, Id) of
        [{_, Times}] when Times > 0 ->
            ets:insert(broken, {Id, Times - 1}), note([fail, Id]), {stop, broken};
        _ ->
            ets:insert(pids, {Id, self()}), note([start, Id]), {ok, Id}
    end.

handle_call(ping, _, Id) -> {reply, ok, Id}.

handle_cast(crash, _) -> error(crash);
handle_cast(shutdown_t, Id) -> {stop, {shutdown, t}, Id};
handle_cast(Reason, Id) -> {stop, Reason, Id}.

terminate({shutdown, t}, Id) -> note([stop, Id, shutdown_t]);
terminate(Reason, Id) when is_atom(Reason) -> note([stop, Id, Reason]);
terminate(_, Id) -> note([stop, Id, crash]).

note(Entry) -> ets:insert(log, {erlang:unique_integer([monotonic]), Entry}).

json(List) when is_list(List) -> ["[", lists:join(",", [json(Item) || Item <- List]), "]"];
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Atom) -> ["\"", atom_to_list(Atom), "\""].

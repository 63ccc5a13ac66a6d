%% The OTP side of the runtime bench: erl -run otp_peer main FIGURE NUMBER.
%%
%% Measures one figure once, prints it as one line and ends the node. Everything measured is a
%% gen_server under a supervisor; calls have gen_server's default deadline of 5 s. Load comes from a
%% gen_server too (the driver), as it comes from an actor on our side. One module serves as callback
%% of all of them: what one is, is told by the argument of init.
-module(otp_peer).

-export([main/1, start/1, start_static/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(BATCH, 1000).
-define(ANY_NUMBER, 1000000000).

main([Figure, Number]) -> tell(measure(list_to_atom(Figure), list_to_integer(Number)));
main([Figure, Size, Count]) ->
    tell(curve(list_to_atom(Figure), list_to_integer(Size), list_to_integer(Count))).

tell(Value) ->
    io:format("~w~n", [Value]),
    halt().

now_ns() -> erlang:monotonic_time(nanosecond).

rate(Count, Ns) -> Count * 1.0e9 / Ns.

%% -- figures ---------------------------------------------------------------------------------

measure(calls, Count) ->
    {_, Driver, Counter} = supervised(),
    ask(Driver, {calls, Counter, 1000}),
    rate(Count, ask(Driver, {calls, Counter, Count}));
measure(shared_calls, Count) ->
    {Sup, Driver, Counter} = supervised(),
    Callers = [child(Sup, driver) || _ <- lists:seq(1, 100)],
    ask(Driver, {shared, Callers, Counter, 10}),
    rate(Count, ask(Driver, {shared, Callers, Counter, Count div 100}));
measure(casts, Count) ->
    {_, Driver, Counter} = supervised(),
    ask(Driver, {casts, Counter, ?BATCH}),
    Ns = ask(Driver, {casts, Counter, Count}),
    Handled = Count + ?BATCH,
    Handled = gen_server:call(Counter, total),
    rate(Count, Ns);
measure(starts, Count) ->
    {Sup, Driver, _} = supervised(),
    rate(Count, ask(Driver, {starts, Sup, Count}));
measure(memory, Actors) ->
    {Sup, Driver, _} = supervised(),
    ask(Driver, {starts, Sup, 1000}),
    Before = settled_rss(Sup),
    Pids = [begin
                Pid = child(Sup, counter),
                gen_server:cast(Pid, bump),
                Pid
            end || _ <- lists:seq(1, Actors)],
    [1 = gen_server:call(Pid, total) || Pid <- Pids],
    (settled_rss(Sup) - Before) / length(Pids);
measure(restart, Times) ->
    quiet(),
    {Sup, Driver, _} = supervised(),
    ets:new(bench, [named_table, public]),
    Fragile = child(Sup, {fragile, Driver}),
    total = gen_server:call(Fragile, total),
    Taken = lists:sort(ask(Driver, {restarts, Times})),
    lists:nth((Times + 1) div 2, Taken) / 1000;
measure(crash_storm, Children) ->
    quiet(),
    {ok, Sup} = supervisor:start_link(?MODULE, dynamic),
    Born = counters:new(1, []),
    Pids = [child(Sup, {mortal, Born}) || _ <- lists:seq(1, Children)],
    Began = now_ns(),
    [gen_server:cast(Pid, crash) || Pid <- Pids],
    until_born(Born, 2 * Children),
    Children = proplists:get_value(active, supervisor:count_children(Sup)),
    (now_ns() - Began) / 1.0e9;
measure(stop, Children) ->
    {ok, Top} = supervisor:start_link(?MODULE, {top, Children}),
    Began = now_ns(),
    ok = supervisor:terminate_child(Top, static),
    (now_ns() - Began) / 1.0e9.

%% -- curves: microseconds by the number of processes, or of messages that wait ----------------

curve(traffic, Size, Count) ->
    {Sup, Driver, _} = supervised(),
    Pids = list_to_tuple([child(Sup, counter) || _ <- lists:seq(1, Size)]),
    rand:seed(exsss, {1, 2, 3}),
    ask(Driver, {traffic, Pids, Count div 10}),
    ask(Driver, {traffic, Pids, Count}) / Count / 1000;
curve(rotate, Size, Count) ->
    {Sup, _, _} = supervised(),
    Rotor = child(Sup, rotor),
    ask(Rotor, {rotate, 100, 1000}),
    ask(Rotor, {rotate, Size, Count}) / Count / 1000.

%% Crash and supervisor reports cost OTP more than the crash; without them it is at its fastest.
quiet() -> logger:set_primary_config(level, none).

ask(Pid, Request) -> gen_server:call(Pid, Request, infinity).

until_born(Born, Wanted) ->
    case counters:get(Born, 1) of
        Wanted -> ok;
        _ -> timer:sleep(1), until_born(Born, Wanted)
    end.

settled_rss(Sup) ->
    erlang:garbage_collect(Sup),
    erlang:garbage_collect(),
    {ok, Text} = file:read_file("/proc/" ++ os:getpid() ++ "/statm"),
    [_, Pages | _] = string:lexemes(Text, " "),
    binary_to_integer(Pages) * 4096.

%% -- supervision -----------------------------------------------------------------------------

supervised() ->
    {ok, Sup} = supervisor:start_link(?MODULE, dynamic),
    {Sup, child(Sup, driver), child(Sup, counter)}.

child(Sup, What) ->
    {ok, Pid} = supervisor:start_child(Sup, [What]),
    Pid.

start(What) -> gen_server:start_link(?MODULE, {server, What}, []).

start_static(Children) -> supervisor:start_link(?MODULE, {static, Children}).

init(dynamic) ->
    Flags = #{strategy => simple_one_for_one, intensity => ?ANY_NUMBER, period => 1},
    {ok, {Flags, [#{id => child, start => {?MODULE, start, []}}]}};
init({top, Children}) ->
    Static = #{id => static, type => supervisor, start => {?MODULE, start_static, [Children]}},
    {ok, {#{}, [Static]}};
init({static, Children}) ->
    {ok, {#{}, [#{id => Id, start => {?MODULE, start, [counter]}}
                || Id <- lists:seq(1, Children)]}};
init({server, counter}) -> {ok, 0};
init({server, driver}) -> {ok, none};
init({server, rotor}) -> {ok, rotor};
init({server, {fragile, Driver}}) ->
    gen_server:cast(self(), first),
    {ok, {fragile, Driver}};
init({server, {mortal, Born}}) ->
    counters:add(Born, 1, 1),
    {ok, mortal}.

%% -- servers ---------------------------------------------------------------------------------

handle_call(total, _, Count) when is_integer(Count) -> {reply, Count, Count};
handle_call(total, _, State) -> {reply, total, State};
handle_call({shared, Callers, Target, Each}, From, _) ->
    Began = now_ns(),
    [gen_server:cast(Caller, {go, self(), Target, Each}) || Caller <- Callers],
    {noreply, {shared, From, Began, length(Callers)}};
handle_call({rotate, Backlog, Count}, From, rotor) ->
    [gen_server:cast(self(), {item, Number}) || Number <- lists:seq(1, Backlog)],
    {noreply, {rotor, From, now_ns(), Count}};
handle_call({restarts, Times}, From, {target, Pid}) ->
    gen_server:cast(Pid, crash),
    {noreply, {restarts, From, Times, []}};
handle_call(Load, _, State) ->
    Began = now_ns(),
    load(Load),
    {reply, now_ns() - Began, State}.

handle_cast(bump, Count) -> {noreply, Count + 1};
handle_cast({item, Number}, {rotor, From, Began, Left}) when Left > 0 ->
    gen_server:cast(self(), {item, Number}),
    {noreply, {rotor, From, Began, Left - 1}};
handle_cast({item, _}, {rotor, From, Began, 0}) ->
    gen_server:reply(From, now_ns() - Began),
    {noreply, rotor};
handle_cast({item, _}, rotor) -> {noreply, rotor};
handle_cast({go, Who, Target, Each}, State) ->
    load({calls, Target, Each}),
    gen_server:cast(Who, done),
    {noreply, State};
handle_cast(done, {shared, From, Began, 1}) ->
    gen_server:reply(From, now_ns() - Began),
    {noreply, none};
handle_cast(done, {shared, From, Began, Left}) -> {noreply, {shared, From, Began, Left - 1}};
handle_cast(crash, {fragile, _}) ->
    ets:insert(bench, {raised, now_ns()}),
    error(crash);
handle_cast(crash, mortal) -> error(crash);
handle_cast(first, {fragile, Driver} = State) ->
    gen_server:cast(Driver, {served, self(), now_ns()}),
    {noreply, State};
handle_cast({served, Pid, At}, {restarts, From, Left, Taken}) ->
    [{raised, Raised}] = ets:lookup(bench, raised),
    served(Pid, From, Left - 1, [At - Raised | Taken]);
handle_cast({served, Pid, _}, _) -> {noreply, {target, Pid}}.

served(Pid, From, 0, Taken) ->
    gen_server:reply(From, Taken),
    {noreply, {target, Pid}};
served(Pid, From, Left, Taken) ->
    gen_server:cast(Pid, crash),
    {noreply, {restarts, From, Left, Taken}}.

load({calls, _, 0}) -> ok;
load({calls, Target, Count}) ->
    gen_server:call(Target, total),
    load({calls, Target, Count - 1});
load({traffic, _, 0}) -> ok;
load({traffic, Pids, Count}) ->
    Pid = element(rand:uniform(tuple_size(Pids)), Pids),
    gen_server:cast(Pid, bump),
    gen_server:call(Pid, total),
    load({traffic, Pids, Count - 1});
load({casts, _, 0}) -> ok;
load({casts, Target, Count}) ->
    batch(Target, ?BATCH),
    gen_server:call(Target, total, 60000),
    load({casts, Target, Count - ?BATCH});
load({starts, _, 0}) -> ok;
load({starts, Sup, Count}) ->
    child(Sup, counter),
    load({starts, Sup, Count - 1}).

batch(_, 0) -> ok;
batch(Target, Count) ->
    gen_server:cast(Target, bump),
    batch(Target, Count - 1).

"""What the rules say, in each language. Names in braces are facts; a sentence that lacks one is left out."""

from stratopt_server.domain.advice import Language

ENGLISH = {
    "backtest": "{strategy_id} on {symbol} returned {total_return__percent} with a Sharpe ratio of "
    "{sharpe_ratio}.",
    "risk": "Its deepest drawdown was {max_drawdown__percent}, and its bad days lost more than "
    "{var_95__percent}.",
    "trades": "It made {trade_count} round trips, of which {win_rate__percent} won.",
    "costs": "It paid {fees_paid} in fees.",
    "alone": "A backtest by itself says nothing of how often luck would have done as well: have it approved "
    "to hear that.",
    "decision": "{strategy_id} on {symbol} was {outcome__word} by {policy}.",
    "why": "{reason}",
    "gate": "{criterion} is {measured}, wanted {wanted}",
    "and": "; ",
    "dsr": "All {significance_trials} trials ever made were held against it: the chance that it is more "
    "than luck is {significance_dsr__percent}.",
    "pbo": "In {overfitting_pbo__percent} of the halves of its bars the best of one half was below the "
    "middle in the other.",
    "oos": "On bars that it was not chosen on the chance of a Sharpe ratio above zero is {psr_oos__percent}.",
    "sizing": "Its package would put {position_size__percent} of the capital into each trade.",
    "next_decision": "What would change a gate stands beside it.",
    "proposal": "Search around the set that was found ({names}): what is real keeps working beside it.",
    "neighbour_title": "The set next to it",
    "neighbour_why": "If one step away the result is gone, it was a peak and no plateau.",
    "longer_title": "The same search over more bars",
    "longer_why": "More days make a Sharpe ratio surer than more trials do.",
    "dearer_title": "The same search at doubled costs",
    "dearer_why": "An edge that needs low costs is the first to go.",
    "word_approve": "approved",
    "word_review": "left to a person",
    "word_reject": "rejected",
}
CHINESE = {
    "backtest": "{strategy_id} 在 {symbol} 上的总收益为 {total_return__percent},夏普比率为 {sharpe_ratio}。",
    "risk": "最大回撤为 {max_drawdown__percent};最差的交易日亏损超过 {var_95__percent}。",
    "trades": "共完成 {trade_count} 次完整交易,胜率为 {win_rate__percent}。",
    "costs": "共支付手续费 {fees_paid}。",
    "alone": "单独一次回测无法说明运气能否做到同样的结果:请提交审批以得到答案。",
    "decision": "{symbol} 上的 {strategy_id} 按 {policy} 的结论是:{outcome__word}。",
    "why": "未通过的关口:{gates}。",
    "gate": "{criterion} 为 {measured},要求 {wanted}",
    "and": ";",
    "dsr": "已把迄今全部 {significance_trials} 次试验计算在内:结果不只是运气的概率为 "
    "{significance_dsr__percent}。",
    "pbo": "在 {overfitting_pbo__percent} 的样本划分中,样本内的最优参数在样本外低于中位数。",
    "oos": "在未参与选参的数据上,夏普比率大于零的概率为 {psr_oos__percent}。",
    "sizing": "参数包每次交易使用 {position_size__percent} 的资金。",
    "next_decision": "每个关口旁都写明了怎样才能改变结果。",
    "proposal": "请在已找到的参数附近继续搜索({names}):真实的规律在附近依然有效。",
    "neighbour_title": "相邻的参数",
    "neighbour_why": "如果相差一步结果就消失,那只是尖峰而不是平台。",
    "longer_title": "用更多数据做同样的搜索",
    "longer_why": "要确认夏普比率,更多的交易日胜过更多的试验。",
    "dearer_title": "成本加倍做同样的搜索",
    "dearer_why": "依赖低成本的优势最先消失。",
    "word_approve": "批准",
    "word_review": "交由人工复核",
    "word_reject": "拒绝",
}
SENTENCES = {Language.ENGLISH: ENGLISH, Language.CHINESE: CHINESE}

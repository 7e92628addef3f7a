"""Every feature's tables in one place: what Alembic compares and what tests look at."""

from assistant.accounts import models as accounts
from assistant.blog import models as blog
from assistant.chat import models as chat
from assistant.db import models as service
from assistant.db.base import Base
from assistant.goals import models as goals
from assistant.knowledge import models as knowledge
from assistant.mentor.actions import models as actions
from assistant.notices import models as notices
from assistant.sharing import models as sharing
from assistant.spaces import models as spaces
from assistant.upkeep import models as upkeep
from assistant.usage import models as usage

FEATURES = (accounts, actions, blog, chat, goals, knowledge, notices, service, sharing, spaces, upkeep, usage)

metadata = Base.metadata
